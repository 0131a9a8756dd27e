"""What the commands share: one-line errors with exit status 2, and parsed values."""

import argparse
import re
import reprlib
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

USAGE_STATUS = 2
INTERRUPTED_STATUS = 130  # 128 + SIGINT, as shells count it.
TOO_MUCH = 2**63  # No count or time of use comes near it, and integers of 64 bits end there.
_AMOUNTS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit."""
        fail(message)


def fail(message: str) -> NoReturn:
    """End the command with one line and the status of bad input."""
    line = " ".join(message.split())
    sys.stderr.write(f"error: {line}\n")
    sys.exit(USAGE_STATUS)


def run_command(command: Callable[[], int]) -> NoReturn:
    """Run a command; bad input and missing files end it with one line, not a traceback."""
    try:
        status = command()
    except (ValueError, OSError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        status = INTERRUPTED_STATUS
    sys.exit(status)


def seconds(text: str) -> float:
    """Parse a duration like 90, 90s, 10m, 1.5h or 2d."""
    return _scaled(text, _SECONDS, "above 0, like 90, 10m, 1.5h or 2d")


def positive_int(text: str) -> int:
    """Parse a whole number of at least 1."""
    return _whole(text, 1)


def whole(text: str) -> int:
    """Parse a whole number of at least 0."""
    return _whole(text, 0)


def amount(text: str) -> float:
    """Parse a number above 0 like 250000, 500k, 1.5M or 2G."""
    return _scaled(text, _AMOUNTS, "above 0, like 250000, 500k or 1.5M")


def whole_amount(text: str) -> int:
    """Parse a whole number of at least 1 like 250000, 500k, 1.5M or 2G."""
    value = amount(text)
    if value != int(value):
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: whole, like 250000, 500k or 1.5M")
    return int(value)


def limit(text: str) -> tuple[str, float]:
    """Parse a limit like size_bytes=500k."""
    name, equals, most = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: like size_bytes=500k")
    return name.strip(), amount(most)


def seed(text: str) -> int:
    """Parse a seed."""
    return _whole(text, 0)


def share(text: str, *, least: float = 0.0) -> float:
    """Parse a finite number of at least `least`."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: a number, {least:g} or more")
    return value


def cpus(text: str) -> float:
    """Parse CPUs a trial; a trial without any would never be placed."""
    value = share(text)
    if value == 0:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: a number above 0")
    return value


def _whole(text: str, least: int) -> int:
    # Of very long texts int() makes no number at all.
    value = int(text) if re.fullmatch(r"\d{1,19}", text) else -1
    if not least <= value < TOO_MUCH:
        raise _refusal(text, f"a whole number, {least} or more, below 2^63")
    return value


def _scaled(text: str, units: Mapping[str, float], allowed: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([a-zA-Z]?)", text.strip())
    value = float(match[1]) * units.get(match[2], 0) if match else 0.0
    if not 0 < value < TOO_MUCH:
        raise _refusal(text, f"{allowed}, and below 2^63" if value else allowed)
    return value


def _refusal(text: str, allowed: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{reprlib.repr(text)}; allowed: {allowed}")
