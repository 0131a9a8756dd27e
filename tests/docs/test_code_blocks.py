"""Every code block of the README and docs is run by a test, or at least read by what would run it.

Those that are run on a small real run are in tests/study/test_guide.py.
"""

import ast
import os
import re
import shutil
import subprocess
import tomllib
import warnings
from pathlib import Path

import click
import constriction
import numpy as np
import pytest
from code_blocks import (
    FOREIGN,
    ONLY_PARSED,
    PAGES,
    PLACEHOLDERS,
    ROOT,
    TESTED,
    Block,
    Command,
    all_blocks,
    blocks,
    commands,
    filled,
    is_run,
    ours,
)

from study.__main__ import build_parser
from study.cli.commands import COMMANDS

BLOCKS = all_blocks()
SHELL = [block for block in BLOCKS if block.language == "shell"]
PYTHON = [block for block in BLOCKS if block.language == "python"]
# Blocks that nobody types, by how they begin.
SHOWN = {
    *("The front: ", "runs/NAME/", "search space -> recipe -> backbone"),
    "pictures/",
}
TOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DECODING = "decoder = constriction"


def given() -> list[tuple[Block, Command]]:
    return [(block, command) for block in SHELL for command in commands(block.source)]


def of_program(name: str) -> list[list[str]]:
    """Return the arguments of every command of a program."""
    return [list(c.words[1:]) for _, c in given() if c.words[0] == name]


def test_blocks_are_found_whether_fenced_or_indented() -> None:
    text = (
        "words\n\n    make x \\\n      y\n\n    ray stop | tr a b > out  # why\nwords\n    none\n"
    )
    text += "```python\n    1\n\n2\n```\n- item\n\n      A=$(aws s3) \n\n    free text\n"
    found = blocks(text, "page")
    assert [(b.line, b.language) for b in found] == [(3, "shell"), (10, "python"), (16, "shell")]
    assert [c.words for c in commands(found[0].source)] == [
        ("make", "x", "y"),
        ("ray", "stop"),
        ("tr", "a", "b"),
    ]
    assert commands(found[0].source)[-1].output == "out"
    assert found[1].source == "    1\n\n2"


def test_every_block_is_python_shell_or_named_as_neither() -> None:
    assert {block.language for block in BLOCKS} == {"python", "shell", "text"}
    texts = [block.source for block in BLOCKS if block.language == "text"]
    assert [text for text in texts if not text.startswith(tuple(SHOWN))] == []
    assert [begin for begin in SHOWN if not any(t.startswith(begin) for t in texts)] == []


def test_every_program_is_tested_or_named_as_foreign() -> None:
    assert {command.words[0] for _, command in given()} == {*TESTED, *FOREIGN}


def test_every_command_of_ours_is_run_or_named_as_only_parsed() -> None:
    lines = [command.line for _, command in given() if ours(command)]
    assert [mark for mark in ONLY_PARSED if not any(mark in line for line in lines)] == []
    assert sum(is_run(command) for _, command in given()) >= 60


def test_every_placeholder_is_used() -> None:
    text = " ".join(command.line for _, command in given())
    assert [word for word in PLACEHOLDERS if not re.search(rf"\b{word}\b", text)] == []


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_the_shell_reads_its_blocks(block: Block) -> None:
    done = subprocess.run(
        ["bash", "-n"], input=block.source, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_are_parsed_with_their_values(block: Block) -> None:
    for command in commands(block.source):
        if found := ours(command):
            name, arguments = found
            COMMANDS[name].parser().parse_args([filled(argument) for argument in arguments])


@pytest.mark.parametrize("arguments", of_program("ray"), ids=" ".join)
def test_ray_takes_what_it_is_given(arguments: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Ray's own imports
        from ray.scripts.scripts import cli as ray_cli
    name, *rest = arguments
    command = ray_cli.get_command(click.Context(ray_cli), name)
    assert command is not None
    assert command.make_context(name, [filled(word) for word in rest]).params


def test_the_targets_of_make_exist() -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [words for words in of_program("make") if words[0] not in targets] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_pip_installs_exists(page: Path) -> None:
    text = page.read_text()
    extras = re.findall(r"pip install [^`\n]*?(?:paretodiff|\.)\[([\w,]+)\]", text)
    known = TOOLS["optional-dependencies"]
    assert [extra for extra in extras if extra not in known] == []
    for constraints in re.findall(r"pip install -c (\S+)", text):
        assert (ROOT / constraints).is_file()


@pytest.mark.parametrize("block", [block for block in SHELL if "sed -i" in block.source], ids=str)
def test_what_sed_fills_in_is_there_to_be_filled_in(block: Block, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs" / "cluster", tmp_path / "docs" / "cluster")
    shutil.copy(ROOT / "cluster.yaml", tmp_path)
    edits = re.findall(r"^\s*(sed -i .*)$", block.source.replace("\\\n", ""), re.MULTILINE)
    (target,) = {re.split(r"\s+", edit.strip())[-1] for edit in edits}
    assert "-REPLACE" in (tmp_path / target).read_text()
    values = dict.fromkeys(re.findall(r"\$(\w+)", block.source), "value")
    script = "\n".join(["set -eu", *edits])
    subprocess.run(["bash", "-c", script], cwd=tmp_path, env=os.environ | values, check=True)
    assert "-REPLACE" not in (tmp_path / target).read_text()


def test_the_completion_that_is_shown_is_printed() -> None:
    (line,) = [words[0] for words in of_program("eval")]
    found = re.fullmatch(r"\$\(paretodiff --print-completion (\w+)\)", line)
    assert found
    assert build_parser(whole=True).parse_args(["--print-completion", found[1]])


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_is_python(block: Block) -> None:
    assert ast.parse(block.source).body


def test_a_stream_is_decoded_as_the_format_says() -> None:
    (block,) = [block for block in PYTHON if block.source.startswith(DECODING)]
    weights, numbers, least = np.array([1.0, 5.0, 2.0]), np.array([-1, 0, 0, 1, 0], np.int32), -1
    encoder = constriction.stream.queue.RangeEncoder()
    model = constriction.stream.model.Categorical(weights, perfect=False)
    encoder.encode(numbers - least, model)
    names = {
        "constriction": constriction,
        "words": encoder.get_compressed(),
        "weights": weights,
        "n": len(numbers),
        "least": least,
    }
    exec(block.source, names)
    assert list(names["numbers"]) == list(numbers)
