"""Lines as they are printed, and the commands in them, to be copied."""

import shlex
from pathlib import Path

from rich.console import Console


def say(console: Console, line: str) -> None:
    """Print a line as it is: not wrapped, since there may be a command in it to copy."""
    console.print(line, soft_wrap=True, highlight=False, markup=False)


def command(module: str, *arguments: object) -> str:
    """Return a command of this project as a shell takes it, its paths as short as can be.

    Args:
        module: that Python runs.
        arguments: texts, numbers and paths; paths are written from the working folder on where
            they lie in it.
    """
    words = ["python", "-m", module, *map(_word, arguments)]
    return shlex.join(words)


def _word(argument: object) -> str:
    here = Path.cwd()
    if isinstance(argument, Path) and argument.is_relative_to(here):
        return str(argument.relative_to(here))
    return str(argument)
