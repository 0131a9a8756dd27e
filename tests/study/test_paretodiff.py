"""`paretodiff COMMAND`: every command beside `python -m study.COMMAND`, completed by the shell."""

import os
import pty
import select
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from study import __main__ as paretodiff
from study.cli.commands import COMMANDS
from study.cli.completion import SHELLS, completion
from study.cli.parser import USAGE_STATUS

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 120


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "study", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_installed_script_is_this_one() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts["paretodiff"].partition(":")
    assert module == paretodiff.__name__
    assert callable(getattr(paretodiff, function))


def test_without_a_command_all_of_them_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--help"]):
        out = run(*arguments)
        assert (out.returncode, out.stderr) == (0, "")
        for name in COMMANDS:
            assert f"\n    {name} " in out.stdout
        assert "\nexamples:\n  paretodiff search" in out.stdout


def test_a_command_runs_with_its_arguments_and_its_status() -> None:
    out = run("describe", "quick/0")
    assert out.returncode == 0
    assert '"size_bytes"' in out.stdout
    wrong = run("describe", "qick/0")
    assert wrong.returncode == USAGE_STATUS
    assert wrong.stderr.startswith("error: space is 'qick' (did you mean 'quick'?); allowed: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["verfy", "runs/x"], "command is 'verfy' (did you mean 'verify'?); allowed: "),
        (["--debug", "search"], "the first argument is --debug; allowed: the command, then its"),
        (["--print-completion", "csh"], "'csh' (did you mean 'zsh'?); allowed: bash, zsh"),
    ],
)
def test_what_is_no_command_is_refused_in_one_line(arguments: list[str], said: str) -> None:
    out = run(*arguments)
    assert (out.returncode, out.stdout) == (USAGE_STATUS, "")
    assert said in out.stderr.splitlines()[-1]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_completion_knows_every_command_and_option(shell: str) -> None:
    script = completion(paretodiff.build_parser(whole=True), shell)
    for name, command in COMMANDS.items():
        assert name in script
        for option in command.parser().options():
            assert option in script


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("paretodiff gener\t", "generate"),
        ("paretodiff search --spa\tqui\t", "search --space quick"),
        ("paretodiff search --objective label\t", "search --objective label_agreement"),
        ("paretodiff verify runs/qu\t --replic\t2", "verify runs/quick-001/ --replicates 2"),
    ],
)
def test_bash_completes_what_is_typed(typed: str, completed: str, tmp_path: Path) -> None:
    (tmp_path / "script").write_text(run("--print-completion", "bash").stdout)
    (tmp_path / "runs" / "quick-001").mkdir(parents=True)
    # What runs is a function that shows its arguments, which are what the shell made of the keys.
    lines = ["source ./script", 'paretodiff() { echo "<$*>"; }', typed]
    assert f"<{completed}>" in typed_into_bash(lines, tmp_path)


def typed_into_bash(lines: list[str], folder: Path) -> str:
    """Return all that an interactive bash shows while keys are pressed in a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        environment = {"TERM": "dumb", "PATH": os.environ["PATH"], "PS1": "$ "}
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)
    shown = ""
    for line in [*lines, "exit"]:
        os.write(terminal, f"{line}\n".encode())
    while select.select([terminal], [], [], PATIENCE_SECONDS)[0]:
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # how a terminal ends whose process has
            break
        shown += part.decode()
    os.close(terminal)
    os.waitpid(pid, 0)
    return shown
