"""How a command ends: one line and a status that says whose fault it was."""

import argparse
import sys
from collections.abc import Callable

import pytest

from diffusion.errors import LONGEST_LINE
from study.cli import parser as cli


def raising(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


def ends(command: Callable[[], int], capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    with pytest.raises(SystemExit) as exit_info:
        cli.run_command(command)
    return exit_info.value.code, capsys.readouterr().err


@pytest.mark.parametrize("status", [0, 1])
def test_a_command_ends_with_its_status(status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(lambda: status, capsys) == (status, "")


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ValueError("seed is -1;\n allowed: 0"), 2, "error: seed is -1; allowed: 0\n"),
        (
            ValueError("x/run.json cannot be read ([Errno 2] No such file)"),
            2,
            "error: x/run.json cannot be read (No such file)\n",
        ),
        (FileNotFoundError(2, "No such file", "x"), 2, "error: No such file: 'x'\n"),
        (
            KeyError("fid"),
            70,
            "internal error: KeyError: 'fid'; run again with --debug and report it\n",
        ),
        (
            AssertionError("[/b]\nmore"),
            70,
            "internal error: AssertionError: [/b] more; run again with --debug and report it\n",
        ),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_an_error_is_one_line(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends(raising(error), capsys) == (status, line)


@pytest.mark.parametrize("error", [ValueError("x" * 9_000), RuntimeError("x" * 9_000)])
def test_a_line_is_no_longer_than_can_be_read(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    _, said = ends(raising(error), capsys)
    assert LONGEST_LINE * 0.9 < len(said) <= LONGEST_LINE + 1


@pytest.mark.parametrize(("error", "status"), [(ValueError("bad"), 2), (KeyError("fid"), 70)])
def test_debug_shows_where_an_error_arose(
    error: Exception,
    status: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, line = ends(raising(error), capsys)
    assert "Traceback" not in line
    monkeypatch.setattr(sys, "argv", ["command", cli.DEBUG])
    code, said = ends(raising(error), capsys)
    assert code == status
    assert said.startswith("Traceback (most recent call last):\n")
    assert "in command\n" in said
    assert said.endswith(line), "the line itself comes last"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("size_bytes=100KB", 100e3),
        ("size_bytes=100kB", 100e3),
        ("size_bytes=1.5MB", 1.5e6),
        ("size_bytes=1.5 MB", 1.5e6),
        ("size_bytes=64KiB", 65_536),
        ("size_bytes = 500k", 500e3),
        ("size_bytes=500", 500),
        ("macs=2M", 2e6),
        ("fid=12.5", 12.5),
    ],
)
def test_a_limit_has_a_unit_of_its_score(text: str, value: float) -> None:
    assert cli.limit(text)[1] == value


@pytest.mark.parametrize("text", ["macs=2MB", "fid=20KB", "size_bytes=5XB", "size_bytes=1.5m"])
def test_a_limit_has_no_unit_of_another_kind(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="; allowed: above 0, like 250000, "):
        cli.limit(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("90s", 90), ("10m", 600), ("10 min", 600), ("1.5h", 5_400), ("2d", 172_800)],
)
def test_a_time_has_a_unit(text: str, value: float) -> None:
    assert cli.seconds(text) == value
    with pytest.raises(argparse.ArgumentTypeError, match="above 0 and with a unit, like 90s"):
        cli.seconds(text.rstrip(" minshd"))


def test_every_parser_knows_of_debug() -> None:
    parser = cli.Parser(prog="command")
    assert parser.parse_args([cli.DEBUG]).debug
    assert not parser.parse_args([]).debug


@pytest.mark.parametrize(
    ("parse", "least", "most", "others"),
    [
        (cli.cpus, "0.01", "4096", ["0", "0.009", "1e-320", "4097", "1e308", "nan", "-1", "x"]),
        (cli.gpus, "0", "4096", ["0.001", "1e-320", "5000", "inf", "nan", "-0.5"]),
        (cli.noise_level, "0", "1000", ["1000.1", "nan", "-1", ""]),
        (cli.guidance, "0", "100", ["100.1", "1e308", "nan", "-1", ""]),
        (cli.count(1_000), "1", "1000", ["0", "1001", "1e3", "-1", "9" * 5_000, "1.0", ""]),
    ],
)
def test_numbers_are_bounded_on_both_sides(
    parse: Callable[[str], float], least: str, most: str, others: list[str]
) -> None:
    assert (parse(least), parse(most)) == (float(least), float(most))
    for text in others:
        with pytest.raises(argparse.ArgumentTypeError, match=r"; allowed: a .*number from"):
            parse(text)
