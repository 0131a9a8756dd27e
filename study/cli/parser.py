"""What the commands share: errors of one line, their exit statuses, and parsed values."""

import argparse
import re
import reprlib
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from diffusion.errors import one_line
from diffusion.variant_config import ANY_SIGMA
from study.cli.help import GroupedParser
from study.results.bounds import LEAST_SHARE, MOST_CPUS, TOO_MUCH

USAGE_STATUS = 2
INTERNAL_STATUS = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED_STATUS = 130  # 128 + SIGINT, as shells count it.
DEBUG = "--debug"
INSECURE_HELP = "join a cluster that asks for no token, too"
DATA_DIR_HELP = "folder of downloaded data sets (default $PARETODIFF_DATA)"
SYSTEM_NUMBER = re.compile(r"\[Errno -?\d+\] ")  # of an error, before the system's words for it
LONGEST_MESSAGE = 100_000
IMAGE_SIZE_HELP = "resize the middle square of every image"
LONGEST_ERROR = 250  # of a line that ends with what to do
MOST_GUIDANCE, MOST_STEPS, MOST_AT_ONCE = 100, 10_000, 4_096
AUTO = "auto"  # Of trials at once as many as fit; of precisions what the hardware has.
MOST_IMAGES = 100_000  # Their noise is drawn at once.
MOST_SEEDS, MOST_TRAININGS, MOST_EPOCHS = 1_000, 100, 10_000
BYTES = "_bytes"  # how the names of scores end that have them for unit
_AMOUNTS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}
_SIZES = {
    **{f"{prefix}{unit}": factor for prefix, factor in _AMOUNTS.items() for unit in ("", "B")},
    **{"K": 1e3, "KB": 1e3, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30},
}
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


class Parser(GroupedParser):
    """A parser whose errors are one line; every command's has --debug."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        # `run_command` looks for it itself, for what goes wrong before anything is parsed too.
        self.add_argument(DEBUG, action="store_true", help="show where in the code an error arose")

    def error(self, message: str) -> NoReturn:
        """Print the message and exit."""
        fail(message)


def fail(message: str) -> NoReturn:
    """End the command with one line and the status of bad input."""
    plain = SYSTEM_NUMBER.sub("", message[:LONGEST_MESSAGE])
    sys.stderr.write(f"{one_line(f'error: {plain}')}\n")
    sys.exit(USAGE_STATUS)


def run_command(command: Callable[[], int]) -> NoReturn:
    """Run a command and end the process with its status.

    Bad input and missing files end it with one line and status 2, Ctrl-C with 130, and what is
    our own fault with one line and status 70. With --debug on the command line, where an error
    arose is shown before its line.
    """
    try:
        status = command()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        status = INTERRUPTED_STATUS
    except Exception as error:
        if DEBUG in sys.argv:
            traceback.print_exc()
        if isinstance(error, ValueError | OSError):
            fail(str(error))
        status = INTERNAL_STATUS
        what = one_line(f"internal error: {type(error).__name__}: {error}", LONGEST_ERROR)
        sys.stderr.write(f"{what}; run again with {DEBUG} and report it\n")
    sys.exit(status)


def seconds(text: str) -> float:
    """Parse a duration like 90s, 10m, 1.5h or 2d."""
    return _scaled(text, _SECONDS, "above 0 and with a unit, like 90s, 30m, 1.5h or 2d")


def positive_int(text: str) -> int:
    """Parse a whole number of at least 1."""
    return _whole(text, 1)


def whole(text: str) -> int:
    """Parse a whole number of at least 0."""
    return _whole(text, 0)


def amount(text: str) -> float:
    """Parse a number above 0 like 250000, 500k, 1.5M or 2G."""
    return _scaled(text, _AMOUNTS, "above 0, like 250000, 500k or 1.5M")


def size(text: str) -> float:
    """Parse a number of bytes above 0 like 250000, 500k, 100KB, 1.5MB or 64KiB."""
    return _scaled(text, _SIZES, "above 0, like 250000, 500k, 100KB, 1.5MB or 64KiB")


def whole_amount(text: str) -> int:
    """Parse a whole number of at least 1 like 250000, 500k, 1.5M or 2G."""
    value = amount(text)
    if value != int(value):
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: whole, like 250000, 500k or 1.5M")
    return int(value)


def limit(text: str) -> tuple[str, float]:
    """Parse a limit like size_bytes=500k or fid=20."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise _refusal(text, "like size_bytes=500k or fid=20")
    return name, (size if name.endswith(BYTES) else amount)(value)


def seed(text: str) -> int:
    """Parse a seed."""
    return _whole(text, 0)


def count(most: int) -> Callable[[str], int]:
    """Return what parses a whole number from 1 to `most`."""
    return lambda text: _whole(text, 1, most)


def at_once(text: str) -> int:
    """Parse how many trials run at once; 0 for `auto`, as many as fit."""
    return 0 if text == AUTO else _whole(text, 1, MOST_AT_ONCE)


def guidance(text: str) -> float:
    """Parse a strength of guidance."""
    return _number(text, 0, MOST_GUIDANCE)


def noise_level(text: str) -> float:
    """Parse a noise level, the standard deviation of noise on images in [-1, 1]."""
    return _number(text, 0, ANY_SIGMA)


def cpus(text: str) -> float:
    """Parse CPUs a trial; a trial without any would never be placed."""
    return _number(text, LEAST_SHARE, MOST_CPUS)


def gpus(text: str) -> float:
    """Parse GPUs a trial, of which it may have a share; 0 is none."""
    return _number(text, 0, MOST_CPUS) and _number(text, LEAST_SHARE, MOST_CPUS)


def _number(text: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise _refusal(text, f"a number from {least:g} to {most:g}")
    return value


def _whole(text: str, least: int, most: int | None = None) -> int:
    # Of very long texts int() makes no number at all.
    value = int(text) if re.fullmatch(r"\d{1,19}", text) else -1
    if not least <= value <= (most or TOO_MUCH - 1):
        to = f", {least} or more, below 2^63" if most is None else f" from {least} to {most:,}"
        raise _refusal(text, f"a whole number{to}")
    return value


def _scaled(text: str, units: Mapping[str, float], allowed: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-zA-Z]{0,3})", text.strip())
    value = float(match[1]) * units.get(match[2], 0) if match else 0.0
    if not 0 < value < TOO_MUCH:
        raise _refusal(text, f"{allowed}, and below 2^63" if value else allowed)
    return value


def _refusal(text: str, allowed: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{reprlib.repr(text)}; allowed: {allowed}")
