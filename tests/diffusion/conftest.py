"""A fixture of the tests with bitsandbytes' layers: it keeps them quiet."""

import logging

import pytest


@pytest.fixture(scope="module")
def _quiet_bitsandbytes():
    """It warns at each call that it computes in half precision."""
    logger = logging.getLogger("bitsandbytes.autograd._functions")
    level = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(level)
