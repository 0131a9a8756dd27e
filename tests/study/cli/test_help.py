"""Help fits a screen: groups, the rarer options apart, examples; wrong options are understood."""

import sys

import pytest

from study.cli.parser import USAGE_STATUS, Parser

DESCRIPTION = """Do something with a run.

python -m study.thing RUN       as it is
python -m study.thing RUN --loud
"""


@pytest.fixture
def parser() -> Parser:
    made = Parser(prog="python -m study.thing", description=DESCRIPTION)
    made.add_argument("run")
    made.add_argument_group("what is done").add_argument("--loud", action="store_true")
    made.further_group("what is rare").add_argument("--colour", choices=("red", "blue"))
    return made


def test_help_says_in_a_line_how_it_is_used_and_shows_examples_last(parser: Parser) -> None:
    lines = parser.format_help().splitlines()
    assert lines[0] == "usage: python -m study.thing RUN [options]"
    assert lines[2] == "Do something with a run."
    assert lines[-3:] == [
        "examples:",
        "  python -m study.thing RUN       as it is",
        "  python -m study.thing RUN --loud",
    ]


def test_rare_options_are_named_by_help_and_shown_by_help_all(
    parser: Parser, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--colour" not in parser.format_help()
    assert "--help-all also shows: what is rare" in parser.format_help()
    with pytest.raises(SystemExit) as exit_info:
        parser.parse_args(["--help-all"])
    assert exit_info.value.code == 0
    said = capsys.readouterr().out
    assert said == parser.whole_help()
    assert said.index("--loud") < said.index("--colour") < said.index("--help-all ")
    assert "also shows" not in said
    assert parser.parse_args(["run", "--colour", "red"]).colour == "red"


def test_help_is_written_as_the_command_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/paretodiff", "thing"])
    text = Parser(prog="python -m study.thing", description=DESCRIPTION).format_help()
    assert text.startswith("usage: paretodiff thing [options]\n")
    assert "  paretodiff thing RUN --loud\n" in text
    assert "python" not in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--lod"], "unknown option --lod (did you mean '--loud'?); allowed: see --help"),
        (["run", "--colr=red"], "unknown option --colr (did you mean '--colour'?); allowed: see"),
        (["run", "--zzz", "5"], "unknown option --zzz; allowed: see --help"),
        (["run", "more\nlines"], "argument 'more lines' is one too many; python -m study.thing"),
        ([], "the following arguments are required: run"),
    ],
)
def test_an_unknown_argument_is_refused_with_what_may_be_meant(
    arguments: list[str], said: str, parser: Parser, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        parser.parse_args(arguments)
    assert exit_info.value.code == USAGE_STATUS
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {said}")
