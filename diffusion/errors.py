"""The few error types of this package; each is a ValueError, so commands show one line."""

import difflib
from collections.abc import Iterable
from pathlib import Path

LONGEST_LINE = 300
LONGEST_REASON = 180
LEFT_OUT = "..."


class DataUnavailable(ValueError):
    """A data set is missing, broken or of the wrong form; the message says what to run."""


class InvalidRecipe(ValueError):
    """A recipe with a field that is not allowed; the message names it, its value and what is."""


class InfeasibleRecipe(InvalidRecipe):
    """A recipe whose fields are valid one by one, but whose network cannot be built."""


class TrainingDiverged(ValueError):
    """The training loss became NaN, infinite or exploded; the message names the step."""


class PackageError(ValueError):
    """A model file that is not ours, damaged, or of another format version."""


class PackageUnreachable(PackageError):
    """A model file that is missing or that the system cannot read, for now."""


class MetricUndefined(ValueError):
    """A score that has no value, because its inputs are too few or not finite."""


def one_line(text: object, longest: int = LONGEST_LINE) -> str:
    """Return a text on one printable line, without its middle where that is longer.

    Args:
        text: what is shown as `str` shows it.
        longest: most characters of the line.
    """
    shown = str(text)
    if len(shown) > 4 * longest:  # its middle is left out anyway, and may be a megabyte
        shown = shown[: 2 * longest] + LEFT_OUT + shown[-2 * longest :]
    line = " ".join(filter(None, map(str.strip, shown.splitlines())))
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
    if len(line) <= longest:
        return line
    head = (longest - len(LEFT_OUT)) // 2
    tail = longest - len(LEFT_OUT) - head
    return line[:head] + LEFT_OUT + line[-tail:]


def about_path(what: str, path: Path | str, reason: object) -> str:
    """Say what is wrong with a file or folder, on one line of at most 300 characters.

    Args:
        what: what lies there, in a word or two.
        path: what room is left is the path's; it loses its middle first.
        reason: cut to 180 characters.
    """
    said = one_line(reason, LONGEST_REASON)
    room = LONGEST_LINE - len(f"{what}  {said}")
    return f"{what} {one_line(path, room)} {said}"


def did_you_mean(text: str, allowed: Iterable[str]) -> str:
    """Return the allowed name that a wrong one is most like, as a question; else nothing.

    Args:
        text: what was given.
        allowed: what it may be.

    Returns:
        Like ` (did you mean 'quick'?)`, to be put behind what was given.
    """
    close = difflib.get_close_matches(text[:LONGEST_LINE], allowed, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""
