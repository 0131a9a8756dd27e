"""A search space of one's own: a Python file with a function that draws a recipe."""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion.errors import about_path, one_line
from diffusion.files import read_bounded
from diffusion.recipe import DataConfig, Recipe
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    import optuna

SUFFIX = ".py"
FUNCTION = "suggest"
TRIALS, REUSE_SHARE, FID_NUM_IMAGES = 40, 0.75, 500
MAX_FILE_BYTES = 2**20


def read_space_file(path: Path, wanted_sha256: str | None = None) -> tuple[SearchSpace, str]:
    """Run a file of Python and return the space that its `suggest(trial, data)` draws from.

    Args:
        path: of a file that its user trusts as any program; it is run here and now.
        wanted_sha256: that the file must have to be run; None for any.

    Returns:
        The space, named as the file without its suffix, and the file's SHA-256.

    Raises:
        ValueError: the file cannot be read, is another one, raises, or has no such function.
    """
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]*", path.stem):
        raise ValueError(f"space is {str(path)!r}; allowed: a name of letters, digits, _ and -")
    try:
        source = read_bounded(path, MAX_FILE_BYTES)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ValueError(about_path("space file", path, f"cannot be read: {why}")) from error
    sha256 = hashlib.sha256(source).hexdigest()
    if wanted_sha256 is not None and wanted_sha256 != sha256:
        differs = f"has SHA-256 {sha256[:16]}, but the run's has {wanted_sha256[:16]}"
        raise ValueError(about_path("space file", path, f"{differs}; allowed: the same"))
    suggest = getattr(_run(path, source), FUNCTION, None)
    if not callable(suggest):
        raise ValueError(f"space file {path} has no function {FUNCTION}(trial, data)")
    _check_arguments(path, suggest)
    space = SearchSpace(
        name=path.stem,
        suggest=_checked(suggest),
        covering=(),
        trials=TRIALS,
        reuse_share=REUSE_SHARE,
        fid_num_images=FID_NUM_IMAGES,
    )
    return space, sha256


def _check_arguments(path: Path, suggest: Callable[..., Any]) -> None:
    try:
        inspect.signature(suggest).bind(None, None)
    except TypeError as error:
        fault = f"space file {path}: {FUNCTION} takes other arguments; allowed: trial, data"
        raise ValueError(one_line(fault)) from error


def _run(path: Path, source: bytes) -> types.ModuleType:
    module = types.ModuleType(f"own_space_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where dataclasses look their fields' types up
    try:
        # What is run is what was hashed, whatever becomes of the file meanwhile.
        exec(compile(source, str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        fault = f"space file {path} raised {type(error).__name__}: {error}"
        raise ValueError(one_line(fault)) from error
    return module


def _checked(
    suggest: Callable[[optuna.Trial, DataConfig], Any],
) -> Callable[[optuna.Trial, DataConfig], Recipe]:
    """Let only recipes for the study's data through."""

    def checked(trial: optuna.Trial, data: DataConfig) -> Recipe:
        recipe = suggest(trial, data)
        if not isinstance(recipe, Recipe):
            raise TypeError(f"{FUNCTION} returned {type(recipe).__name__}; allowed: a Recipe")
        if recipe.data != data:
            raise ValueError(f"{FUNCTION} changed the data; allowed: a Recipe of what it is given")
        return recipe

    return checked
