"""Commands as they are printed, to be copied."""

import shlex
import sys
from pathlib import Path

PROGRAM = "paretodiff"
MODULE = "python -m study."


def command(module: str, *arguments: object) -> str:
    """Return a command of this project as a shell takes it, its paths as short as can be.

    Args:
        module: that Python runs.
        arguments: texts, numbers and paths; paths are written from the working folder on where
            they lie in it.
    """
    words = ["python", "-m", module, *map(_word, arguments)]
    return as_started(shlex.join(words))


def as_started(text: str) -> str:
    """Return a text whose commands are written as this process was started: either way works."""
    return text.replace(MODULE, f"{PROGRAM} ") if Path(sys.argv[0]).name == PROGRAM else text


def _word(argument: object) -> str:
    here = Path.cwd()
    if isinstance(argument, Path) and argument.is_relative_to(here):
        return str(argument.relative_to(here))
    return str(argument)
