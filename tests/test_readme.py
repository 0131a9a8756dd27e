"""The README and the pages beside it point at what exists, and show what the commands have."""

import itertools
import re
import shlex
from pathlib import Path

import pytest
from code_blocks import OWN_SPACES, PAGES, ROOT, own_space

from diffusion.recipe import DataConfig
from search_spaces import COMPRESSING, load_space
from search_spaces.space import SpaceOptions
from search_spaces.space_file import SUFFIX
from study.cli.commands import COMMANDS as REGISTERED
from study.cli.space_choice import check_own_space, space_choice
from study.describe import find_recipe

README = ROOT / "README.md"
COMMANDS = {
    command.module.removeprefix("study."): command.parser() for command in REGISTERED.values()
}


def commands(page: Path) -> list[tuple[str, str]]:
    """Return the commands that a page shows, each with its arguments."""
    return re.findall(r"python -m study\.(\w+)([^\n`#]*)", page.read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_use_options_that_exist(page: Path) -> None:
    unknown = []
    for command, rest in commands(page):
        known = COMMANDS[command].options()
        options = re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest)
        unknown += [f"{command} {option}" for option in options if option not in known]
    assert unknown == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_spaces_and_rows_that_are_named_exist(page: Path) -> None:
    for command, rest in commands(page):
        words = shlex.split(rest)
        pairs = list(itertools.pairwise(words))
        given = dict(pairs)
        if given.get("--space") in COMPRESSING:
            assert "--store" in given
        elif given.get("--space", "").endswith(SUFFIX):
            assert given["--space"] in OWN_SPACES
        elif "--space" in given:
            rows = tuple(b for a, b in pairs if a == "--row")
            assert load_space(given["--space"], SpaceOptions(rows=rows)).trials > 0
        if command == "describe" and not words[0].startswith("runs/"):
            assert find_recipe(words[0], SpaceOptions()).network.widths


@pytest.mark.parametrize(("name", "lines"), [("my_space.py", 29), ("widths.py", 20)])
def test_a_space_of_ones_own_that_is_shown_is_one(name: str, lines: int, tmp_path: Path) -> None:
    source = own_space(name)
    (tmp_path / name).write_text(source)
    space = space_choice(str(tmp_path / name)).make(SpaceOptions())
    check_own_space(space, DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef"))
    assert len(source.splitlines()) <= lines


def test_the_readme_shows_every_command() -> None:
    assert {command for command, _ in commands(README)} == set(COMMANDS)
