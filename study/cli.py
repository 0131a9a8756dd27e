"""What the commands share: one-line errors with exit status 2, and parsed values."""

import argparse
import re
import sys
from collections.abc import Callable
from typing import NoReturn

USAGE_STATUS = 2
INTERRUPTED_STATUS = 130  # 128 + SIGINT, as shells count it.
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
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if match is None or float(match[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: above 0, like 90, 10m, 1.5h or 2d")
    return float(match[1]) * _SECONDS[match[2]]


def positive_int(text: str) -> int:
    """Parse a whole number of at least 1."""
    if not re.fullmatch(r"\d+", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: a whole number, 1 or more")
    return int(text)


def whole(text: str) -> int:
    """Parse a whole number of at least 0."""
    if not re.fullmatch(r"\d+", text):
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: a whole number, 0 or more")
    return int(text)


def amount(text: str) -> float:
    """Parse a number above 0 like 250000, 500k, 1.5M or 2G."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kMG]?)", text.strip())
    if match is None or float(match[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: above 0, like 250000, 500k or 1.5M")
    return float(match[1]) * _AMOUNTS[match[2]]


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
    if not re.fullmatch(r"\d+", text) or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: a whole number from 0 to 2^63 - 1")
    return int(text)


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
