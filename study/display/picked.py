"""A picked model, or the front that it was picked from, as a command shows it."""

from pathlib import Path
from typing import Any

from rich.console import Console

from diffusion.files import write_bytes
from study.display.console import print_front, say
from study.display.front_folder import table
from study.display.point_facts import point_facts, use_command
from study.results.rows import FrontRow
from study.run.run import Run

HEADING_WIDTH = 9


def print_picked(seen: Run, row: FrontRow, *, whole: bool) -> None:
    """Print a model with its figures, and the command that uses it.

    Args:
        seen: the run, narrowed to what it was picked from.
        row: of the model.
        whole: whether the whole front is printed in place of its figures.
    """
    console = Console(markup=False, emoji=False)
    facts = {} if whole else point_facts(seen, row)
    if whole:
        print_front(console, seen.rows(), seen.objectives)
    for heading, fact in {**facts, "use it": use_command(seen, row["trial"])}.items():
        say(console, f"{heading:<{HEADING_WIDTH}}{fact}")


def picked_json(seen: Run, row: FrontRow, *, whole: bool) -> dict[str, Any]:
    """Return a model, or the whole front, with every figure; the arguments are as above."""
    asked = {
        "run": str(seen.folder),
        "objectives": list(seen.objectives),
        "limits": seen.settings.limits,
        "max": dict(seen.chosen.most),
        "min": dict(seen.chosen.least),
    }
    shown = {
        "trial": row["trial"],
        "folder": str(seen.model_folder(row["trial"])),
        "command": use_command(seen, row["trial"]),
    }
    figures = {"points": seen.rows()} if whole else {"figures": row}
    return {**asked, "picked": shown, **figures}


def write_table(seen: Run, path: Path) -> None:
    """Write a front as a table, aside and then renamed, in the format that its name ends in."""
    write_bytes(path, table(seen, seen.rows(), path.suffix))
