"""A command's module that Python calls as the function of its name in the API."""

import importlib
import sys
from types import ModuleType
from typing import Any


class CallableModule(ModuleType):
    """A module that can be called: `from study import search` is one, whoever imported it."""

    def __call__(self, **options: Any) -> Any:
        """Call the API's function of the module's name."""
        name = self.__name__.rpartition(".")[2]
        return getattr(importlib.import_module("study.api"), name)(**options)


def make_callable(name: str) -> None:
    """Let a module be called.

    Args:
        name: of the module.
    """
    sys.modules[name].__class__ = CallableModule
