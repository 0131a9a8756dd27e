"""Completion of commands, options and what they may be, as a script of a shell (shtab's)."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from diffusion.dataset_names import TORCHVISION_NAMES
from search_spaces import SPACES
from study.cli.paths import folder, folder_or_url
from study.results.objectives import OBJECTIVES

SHELLS = ("bash", "zsh")
# What options of these names may be, beside what only their user knows.
KNOWN: dict[str, Iterable[str]] = {
    "space": SPACES,
    "dataset": ("mnist5k", *TORCHVISION_NAMES),
    "objective": OBJECTIVES,
}


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return a script that completes a command line.

    Args:
        parser: of all commands.
        shell: one of SHELLS.
    """
    import shtab

    _describe(parser)
    return str(shtab.complete(parser, shell))


def _describe(parser: argparse.ArgumentParser) -> None:
    """Say what the arguments of a parser and of its commands may be."""
    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                _describe(each)
        elif known := KNOWN.get(action.dest):
            action.choices = list(known)
        elif action.type in (Path, folder, folder_or_url):
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # what shtab looks for
