"""Bad input: one clear line naming the value and what is allowed, status 2, nothing written."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from study.generate import main as generate
from study.search import main as search
from study.settings import FORMAT_VERSION, RunSettings

Refused = Callable[[Callable[[], int]], str]

CASES = [
    (["--space", "nope"], "space is 'nope'; allowed: quick, mnist"),
    (["--dataset", "nope"], "dataset is 'nope'; allowed: mnist5k, mnist"),
    (["--dataset", "folder:/no/such"], "/no/such is no folder of class folders"),
    (["--objective", "beauty"], "objective is 'beauty'; allowed: fid, "),
    (["--objective", "fid", "--objective", "fid"], "allowed: one or more, each once"),
    (["--trials", "0"], "'0'; allowed: a whole number, 1 or more"),
    (["--trials", "many"], "'many'; allowed: a whole number, 1 or more"),
    (["--time-budget", "-3"], "--time-budget"),
    (["--time-budget", "soon"], "'soon'; allowed: above 0, like 90, 10m, 1.5h or 2d"),
    (["--seed", "-1"], "--seed"),
    (["--cpus-per-trial", "0"], "'0'; allowed: a number above 0"),
    (["--cpus-per-trial", "4096"], "--cpus-per-trial is 4096; allowed: up to the"),
    (["--gpus-per-trial", "1000"], "--gpus-per-trial is 1000; allowed: up to the"),
    (["--gpus-per-trial", "nan"], "'nan'; allowed: a number, 0 or more"),
    (["--name", "../up"], "--name is '../up'; allowed: letters"),
    (["--train-images", "0"], "'0'; allowed: a whole number, 1 or more"),
    (["--formulation", "published"], "space 'quick' has no named rows; --formulation and --row"),
    (["--row", "base"], "space 'quick' has no named rows; --formulation and --row go with"),
    (["--formulation", "score_matching"], "invalid choice: 'score_matching'"),
    (["--space", "system-a-ncsn", "--row", "rand 20"], "row is 'rand 20' in space 'system-a-nc"),
    (["--extractor", "/no/such"], "/no/such"),
    (["--resume", "/no/such/run"], "/no/such/run is no run of a study"),
    (["--frobnicate"], "unrecognized arguments: --frobnicate"),
]


@pytest.mark.parametrize(("arguments", "message"), CASES)
def test_search_refuses_in_one_line_and_writes_nothing(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    refused: Refused,
) -> None:
    out = [] if "--resume" in arguments else ["--out", str(tmp_path)]
    line = refused(lambda: search([*arguments, *out]))
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_search_refuses_a_name_that_is_taken(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "mine").mkdir()
    line = refused(lambda: search(["--out", str(tmp_path), "--name", "mine"]))
    assert f"--name is 'mine', but {tmp_path / 'mine'} exists; use --resume" in line
    assert list((tmp_path / "mine").iterdir()) == []


def test_search_refuses_a_file_as_out(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "file").write_text("")
    line = refused(lambda: search(["--out", str(tmp_path / "file")]))
    assert "a file; allowed: a folder" in line


def test_search_refuses_a_folder_it_cannot_write_to(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may write anywhere, so the system's answer is replaced, not the check.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    line = refused(lambda: search(["--out", str(tmp_path / "new")]))
    assert "cannot be written to" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 99}', '{"format": 2}'])
def test_resume_refuses_a_folder_that_is_not_ours(
    content: str, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "run.json").write_text(content)
    line = refused(lambda: search(["--resume", str(tmp_path)]))
    assert str(tmp_path) in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "folder:/no/such"}, "/no/such is no folder of class folders"),
        ({"data_dir": "/no/such", "dataset": "mnist"}, "cannot be read in /no/such"),
        ({"data": {}}, "is not as we write it"),
        ({"objectives": None}, "is not as we write it"),
        ({"data.fingerprint": "0" * 16}, "allowed: the data that the run began with"),
    ],
)
def test_resume_refuses_data_that_is_gone_or_changed_before_any_trial(
    change: dict[str, Any],
    message: str,
    settings: RunSettings,
    tmp_path: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PARETODIFF_DATA", raising=False)
    values = dataclasses.asdict(settings) | {"format": FORMAT_VERSION}
    for name, value in change.items():
        part, _, field = name.partition(".")
        if field:
            values[part][field] = value
        else:
            values[part] = value
    (tmp_path / "run.json").write_text(json.dumps(values))
    line = refused(lambda: search(["--resume", str(tmp_path)]))
    assert message in line
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize("content", [b"", b"not a package", b"PK\x03\x04" + bytes(100)])
def test_generate_refuses_a_corrupt_package(
    content: bytes, tmp_path: Path, refused: Refused
) -> None:
    package = tmp_path / "model.pdm"
    package.write_bytes(content)
    out = tmp_path / "grid.png"
    line = refused(lambda: generate([str(package), "--out", str(out)]))
    assert f"package {package}" in line
    assert not out.exists()


@pytest.mark.parametrize(
    ("out", "message"),
    [("grid.jpg", "ends in .png or .npz"), ("no/such/grid.png", "is no folder")],
)
def test_generate_refuses_an_unusable_out(
    out: str, message: str, tmp_path: Path, refused: Refused
) -> None:
    line = refused(lambda: generate([str(tmp_path), "--out", str(tmp_path / out)]))
    assert message in line


def test_dry_run_prints_the_resolved_study_and_writes_nothing(tmp_path: Path) -> None:
    arguments = ["--dry-run", "--out", str(tmp_path), "--trials", "5", "--seed", "9"]
    out = subprocess.run(
        [sys.executable, "-m", "study.search", *arguments],
        capture_output=True,
        text=True,
        timeout=110,
        check=True,
    )
    resolved = json.loads(out.stdout)
    assert resolved["trials"] == 5
    assert resolved["seed"] == 9
    assert resolved["space"] == "quick"
    assert resolved["data"]["name"] == "mnist5k"
    assert resolved["objectives"] == ["fid", "size_bytes"]
    assert resolved["cpus_per_trial"] == 1
    assert resolved["run_dir"] == str(tmp_path / "quick-001")
    assert list(tmp_path.iterdir()) == []
