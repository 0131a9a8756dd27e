"""The README and the pages beside it point at what exists, and show what the commands have."""

import itertools
import re
import shlex
from pathlib import Path

import pytest

from diffusion.recipe import DataConfig
from search_spaces import COMPRESSING, load_space
from search_spaces.space import SpaceOptions
from search_spaces.space_file import SUFFIX
from study.cli.search_options import build_parser as search_parser
from study.cli.space_choice import check_own_space, space_choice
from study.describe import build_parser as describe_parser
from study.describe import find_recipe
from study.export import build_parser as export_parser
from study.generate import build_parser as generate_parser
from study.record import build_parser as record_parser
from study.report import build_parser as report_parser
from study.status import build_parser as status_parser
from study.tables import build_parser as tables_parser
from study.train_extractor import build_parser as train_extractor_parser
from study.verify import build_parser as verify_parser

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = {
    "search": search_parser(""),
    "generate": generate_parser(),
    "record": record_parser(),
    "describe": describe_parser(),
    "export": export_parser(),
    "report": report_parser(),
    "status": status_parser(),
    "tables": tables_parser(),
    "train_extractor": train_extractor_parser(),
    "verify": verify_parser(),
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
        known = COMMANDS[command].format_help()
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
            assert given["--space"] == "my_space.py", "the one that docs/own_space.md writes"
        elif "--space" in given:
            rows = tuple(b for a, b in pairs if a == "--row")
            assert load_space(given["--space"], SpaceOptions(rows=rows)).trials > 0
        if command == "describe" and not words[0].endswith(".json"):
            assert find_recipe(words[0], SpaceOptions()).network.widths


def test_the_space_of_ones_own_that_is_shown_is_one(tmp_path: Path) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/own_space.md").read_text(), re.S)
    (tmp_path / "my_space.py").write_text(source)
    space = space_choice(str(tmp_path / "my_space.py")).make(SpaceOptions())
    check_own_space(space, DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef"))
    assert len(source.splitlines()) < 30


def test_the_readme_shows_every_command() -> None:
    assert {command for command, _ in commands(README)} == set(COMMANDS)
