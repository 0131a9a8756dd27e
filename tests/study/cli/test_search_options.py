"""The search's command line: what is not given can be told apart from what is."""

import pytest

from study.cli.search_options import build_parser

FLAGS = {
    *("download", "no_compile", "no_early_stopping", "no_reuse", "no_verify"),
    *("dry_run", "insecure", "open_report"),
}


def test_what_is_not_given_is_none_or_off() -> None:
    given = vars(build_parser("").parse_args([]))
    off = {name for name, value in given.items() if value is False}
    assert off == {*FLAGS, "debug"}
    assert all(value is None for name, value in given.items() if name not in off)


def test_every_option_has_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser("Search.").parse_args(["--help-all"])
    text = capsys.readouterr().out
    for name in vars(build_parser("").parse_args([])):
        assert f"--{name.replace('_', '-')}" in text
