"""Commands as they are printed, to be copied."""

import shlex
from pathlib import Path


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
