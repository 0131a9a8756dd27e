"""The README points at what exists, and shows options that the commands have."""

import re
from pathlib import Path

import pytest

from study.generate import build_parser as generate_parser
from study.options import build_parser as search_parser

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "docs" / "cluster.md"]
COMMANDS = {"search": search_parser(""), "generate": generate_parser()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_use_options_that_exist(page: Path) -> None:
    lines = re.findall(r"python -m study\.(\w+)([^\n`#]*)", page.read_text())
    assert lines
    for command, rest in lines:
        known = COMMANDS[command].format_help()
        for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest):
            assert option in known, f"{command} {option}"
