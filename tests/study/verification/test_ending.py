"""Whatever a verification meets is one line, and the front stays."""

import errno
import io
import os

import pytest
from rich.console import Console

from study.verification.ending import Ending, attempt

GO_ON = "python -m study.verify 'my runs/[a]'"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "OSError: [Errno 28] No space left"),
        (ValueError("verified.json\ncannot be read"), "ValueError: verified.json cannot be read"),
        (RuntimeError("Ray is gone"), "RuntimeError: Ray is gone"),
        (KeyError("fid"), "KeyError: 'fid'"),
    ],
)
def test_what_ends_a_verification_early_is_one_line_with_how_to_go_on(
    error: Exception, line: str
) -> None:
    def work() -> Ending:
        raise error

    out = io.StringIO()
    assert attempt(Console(file=out, width=20), GO_ON, work) is None
    (printed,) = out.getvalue().splitlines()
    assert printed.startswith(f"verification failed: {line}")
    assert printed.endswith(f"; go on with: {GO_ON}")


def test_what_comes_of_a_verification_is_handed_on() -> None:
    out = io.StringIO()
    assert attempt(Console(file=out), GO_ON, lambda: Ending.DONE) == Ending.DONE
    assert out.getvalue() == ""
