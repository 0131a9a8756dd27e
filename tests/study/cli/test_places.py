"""Folders and URLs of runs, as the command line says them."""

import argparse
from pathlib import Path

import pytest
from small_mirror import contents, mirrored

from study.cli.parser import Parser
from study.cli.paths import folder, folder_or_url
from study.cli.places import Place, resumed_place
from study.run.mirror_state import known_remote
from study.run.remote import Remote


def test_a_folder_is_a_path_and_no_url() -> None:
    assert folder("runs/a") == folder_or_url("runs/a") == Path("runs/a")
    assert folder_or_url("s3://bucket/runs/") == Remote("s3://bucket/runs")
    with pytest.raises(argparse.ArgumentTypeError, match="allowed: a folder, such as a copy"):
        folder("s3://bucket/runs/a")


def test_a_password_in_a_url_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="command")
    parser.add_argument("--out", type=folder_or_url)
    with pytest.raises(SystemExit):
        parser.parse_args(["--out", "s3://user:SECRET@bucket/runs"])
    line = capsys.readouterr().err
    assert "credentials from the environment alone" in line
    assert "SECRET" not in line


def test_runs_of_a_url_are_worked_on_in_the_cache_or_where_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARETODIFF_CACHE", str(tmp_path / "cache"))
    one, two = (Remote(f"file://{tmp_path}/{name}") for name in ("one", "two"))
    folders = {Place.of(remote, None).folder for remote in (one, two)}
    assert {path.parent for path in folders} == {tmp_path / "cache" / "runs"}
    assert len(folders) == 2, "runs of one name are kept apart"
    assert Place.of(one, tmp_path / "shared").folder == tmp_path / "shared"
    assert Place.of(None, None) == Place(Path("runs"))
    with pytest.raises(ValueError, match=r"--work-dir is '.*shared'; allowed: with a URL"):
        Place.of(Path("runs"), tmp_path / "shared")


def test_a_new_run_takes_no_name_that_the_store_has(tmp_path: Path) -> None:
    mirrored(tmp_path / "run", tmp_path / "store" / "quick-007")
    remote = Remote(f"file://{tmp_path}/store")
    place = Place.of(remote, tmp_path / "work")
    assert place.next_dir(None, "quick") == tmp_path / "work" / "quick-008"
    with pytest.raises(ValueError, match=r"--name is 'quick-007', but file://.*store/quick-007"):
        place.next_dir("quick-007", "quick")
    run_dir, mirror = place.claim(None, "quick")
    assert run_dir.is_dir()
    assert mirror == remote / "quick-008"


def test_a_url_and_its_folder_are_gone_on_with_alike(tmp_path: Path) -> None:
    mirrored(tmp_path / "run", tmp_path / "store" / "mine")
    remote, work = Remote(f"file://{tmp_path}/store/mine"), tmp_path / "work"
    assert resumed_place(remote, work, print) == (work / "mine", remote)
    assert contents(work / "mine") == contents(tmp_path / "run")
    assert resumed_place(work / "mine", None, print) == (work / "mine", remote)
    (tmp_path / "plain").mkdir()
    assert resumed_place(tmp_path / "plain", None, print) == (tmp_path / "plain", None)
    assert known_remote(tmp_path / "plain") is None
