"""What is printed to be copied is what a shell hands back."""

import shlex
from pathlib import Path

import pytest

from study.display.commands import command


@pytest.mark.parametrize("name", ["run", "my run", "it's", "$HOME", "a;b", "*"])
def test_a_shell_reads_the_very_arguments(name: str, tmp_path: Path) -> None:
    line = command("study.verify", tmp_path / name, "--seeds", 5)
    words = ["python", "-m", "study.verify", str(tmp_path / name), "--seeds", "5"]
    assert shlex.split(line) == words


def test_a_path_below_the_working_folder_is_written_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("study.verify", tmp_path / "runs" / "a") == "python -m study.verify runs/a"
    assert command("study.verify", Path("/other")) == "python -m study.verify /other"
