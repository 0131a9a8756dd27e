"""The commands by name; each one's module is imported when it is called."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from diffusion.errors import did_you_mean, one_line
from study.cli.parser import Parser

SHOWN_LENGTH = 60  # of a name that no command has


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        module: has its `main(arguments)` and its `build_parser()`.
        summary: what it does, in a few words.
    """

    module: str
    summary: str

    def run(self, arguments: list[str]) -> int:
        """Run it; return its exit status."""
        return cast(int, importlib.import_module(self.module).main(arguments))

    def parser(self) -> Parser:
        """Return the parser of its command line."""
        build: Callable[[], Parser] = importlib.import_module(self.module).build_parser
        return build()


COMMANDS = {
    "search": Command("study.search", "search for the front of a data set, or go on with a run"),
    "status": Command("study.status", "say how a run stands"),
    "verify": Command("study.verify", "score a run's front again, with more images and seeds"),
    "report": Command("study.report", "write a run's report and its plots anew"),
    "export": Command("study.export", "leave a model as a hub, or another program, expects it"),
    "generate": Command("study.generate", "draw images with a model"),
    "pick": Command("study.pick", "name the one model of a run that suits, or another front"),
    "describe": Command("study.describe", "say what a recipe's model costs, before it is trained"),
    "tables": Command("study.tables", "print published and measured values side by side"),
    "record": Command("study.record", "write a run's trials as a table to replay searches on"),
    "train-extractor": Command("study.train_extractor", "train a classifier to score by"),
}


def find_command(name: str) -> Command:
    """Return a command.

    Raises:
        ValueError: there is none of that name.
    """
    if (found := COMMANDS.get(name.replace("_", "-"))) is None:
        hint, shown = did_you_mean(name, COMMANDS), one_line(name, SHOWN_LENGTH)
        raise ValueError(f"command is {shown!r}{hint}; allowed: {', '.join(COMMANDS)}")
    return found
