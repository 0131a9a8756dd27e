"""The commands by name: each one is there, says how it is used, and takes no time to say so."""

import subprocess
import sys
from importlib.util import find_spec

import pytest
from refusals import Refused

from study.cli.commands import COMMANDS, find_command

# Half a second is what a command's help may take, of which torch alone would take several.
HEAVY = {"torch", "ray", "optuna", "pandas", "numpy", "matplotlib", "rich", "fsspec", "shtab"}
IMPORTED = """
import sys
from study import __main__
from study.cli.commands import COMMANDS
for command in COMMANDS.values():
    command.parser().format_help()
print(*sys.modules)
"""


def test_no_command_imports_what_works_before_its_options_are_in_order() -> None:
    out = subprocess.run(
        [sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True
    )
    imported = set(out.stdout.split())
    assert "study.search" in imported
    assert not imported & HEAVY


def test_every_command_that_is_named_is_there() -> None:
    missing = [c.module for c in COMMANDS.values() if find_spec(c.module) is None]
    assert missing == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_s_help_says_how_it_is_used_with_an_example(name: str) -> None:
    command = COMMANDS[name]
    text = command.parser().format_help()
    assert text.startswith(f"usage: python -m {command.module} ")
    assert f"\nexamples:\n  python -m {command.module} " in text
    assert len(text.splitlines()) <= 60


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("serch", "command is 'serch' (did you mean 'search'?); allowed: search, "),
        ("zzz", "command is 'zzz'; allowed: search, "),
        ("a\nb", "command is 'a b'; allowed: search, "),
    ],
)
def test_an_unknown_command_is_refused_with_those_that_are(
    name: str, said: str, refused: Refused
) -> None:
    assert said in refused(lambda: find_command(name).run([]))


def test_a_command_is_found_as_its_module_is_named_too() -> None:
    assert find_command("train_extractor") is find_command("train-extractor")
