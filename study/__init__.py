"""The study engine: Ray Tune runs the trials, Optuna proposes them, a folder holds the run.

`from study import load_run, search` is its Python API, which study/api.py describes.
"""

import importlib
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.api import LoadedRun as LoadedRun
    from study.api import Model as Model
    from study.api import Point as Point
    from study.api import load_run as load_run

# Of study/api.py, which takes seconds to import. The module `search` is there by itself.
_API = ("LoadedRun", "Model", "Point", "load_run")


def __getattr__(name: str) -> Any:
    if name in _API:
        with warnings.catch_warnings():
            # In a notebook without widgets tqdm warns, for a progress bar that Optuna never shows.
            warnings.filterwarnings("ignore", "IProgress not found")
            return getattr(importlib.import_module("study.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted((*globals(), *_API))
