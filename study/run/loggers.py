"""What a study is logged to besides its own folder, as its settings name it."""

import re
import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from diffusion.config import checked
from diffusion.errors import did_you_mean

MLFLOW = "mlflow"
KINDS = ("tensorboard", MLFLOW, "wandb")


def check_loggers(values: Any) -> tuple[str, ...]:
    """Return the names of trackers as they are; of MLflow's, `mlflow:URI` says where it is.

    Raises:
        ValueError: one is unknown or repeated, or its address has a password.
    """
    names: tuple[str, ...] = checked("loggers", values, tuple[str, ...])
    kinds = [logger_kind(name) for name in names]
    for name, kind in zip(names, kinds, strict=True):
        if kind not in KINDS or (name != kind and kind != MLFLOW) or name.endswith(":"):
            hint, listed = "" if kind in KINDS else did_you_mean(name, KINDS), ", ".join(KINDS)
            raise ValueError(
                f"--log is {name!r}{hint}; allowed: {listed}, or mlflow:URI, each once"
            )
        if _has_password(logger_address(name)):
            raise ValueError(
                "--log has an address with a password; allowed: without it, and "
                "$MLFLOW_TRACKING_USERNAME and $MLFLOW_TRACKING_PASSWORD"
            )
    _check_once(kinds)
    return names


def check_tracking_id(value: Any) -> str | None:
    """Return an id of a study's runs in trackers as it is.

    Raises:
        ValueError: it is none that `new_tracking_id` makes.
    """
    tracking_id: str | None = checked("tracking_id", value, str | None)
    if tracking_id is not None and not re.fullmatch("[0-9a-f]{16}", tracking_id):
        raise ValueError(f"tracking_id is {tracking_id!r}; allowed: 16 hexadecimal digits")
    return tracking_id


def new_tracking_id() -> str:
    """Return an id that no other study's runs have."""
    return secrets.token_hex(8)


def logger_kind(name: str) -> str:
    """Return which tracker a name asks for."""
    return name.partition(":")[0]


def logger_address(name: str) -> str | None:
    """Return the address that a name holds; None for the tracker's own choice."""
    return name.partition(":")[2] or None


def _has_password(address: str | None) -> bool:
    try:
        return address is not None and urlsplit(address).password is not None
    except ValueError:  # no address at all, which its tracker says
        return False


def _check_once(kinds: Sequence[str]) -> None:
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise ValueError(f"--log is {kind!r} again; allowed: each once")
