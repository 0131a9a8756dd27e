"""A run's folder is its own: new and numbered, claimed by one search, driven by one process."""

import os
import subprocess
import sys
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from study.run import folder
from study.run.folder import JOURNAL_NAME, claim_run_dir, exclusive, new_run_dir

# Drives a run until it is killed.
DRIVE = """
import sys, time
from pathlib import Path
from study.run.folder import exclusive
with exclusive(Path(sys.argv[1])):
    print("driving", flush=True)
    time.sleep(600)
"""


def test_a_run_belongs_to_one_driver_at_a_time(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(ValueError, match="is in use by another process"):  # noqa: SIM117
        with exclusive(tmp_path):
            pass
    with exclusive(tmp_path):
        assert (tmp_path / JOURNAL_NAME).read_bytes() == b""


def test_a_killed_driver_leaves_the_run_to_others(tmp_path: Path) -> None:
    command = [sys.executable, "-c", DRIVE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == b"driving\n"
        with pytest.raises(ValueError, match="is in use by another process"), exclusive(tmp_path):
            pass
        driver.kill()
    with exclusive(tmp_path):
        pass


@pytest.mark.parametrize("place", [os.mkfifo, os.mkdir, lambda path: os.symlink("away", path)])
def test_what_is_no_regular_journal_is_not_locked(place: object, tmp_path: Path) -> None:
    place(tmp_path / JOURNAL_NAME)  # type: ignore[operator]
    with pytest.raises(ValueError, match="is no regular file"), exclusive(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [JOURNAL_NAME]


def test_runs_are_numbered_after_the_largest(tmp_path: Path) -> None:
    assert new_run_dir(tmp_path, None, "quick") == tmp_path / "quick-001"
    for name in ("quick-001", "quick-007", "quick-x", "other-050"):
        (tmp_path / name).mkdir()
    assert new_run_dir(tmp_path, None, "quick") == tmp_path / "quick-008"


def test_a_name_is_told_before_it_is_claimed(tmp_path: Path) -> None:
    assert new_run_dir(tmp_path / "runs", "mine", "quick") == tmp_path / "runs" / "mine"
    assert list(tmp_path.iterdir()) == []
    assert claim_run_dir(tmp_path / "runs", "mine", "quick").is_dir()
    with pytest.raises(ValueError, match=r"--name is 'mine', but .* exists; use --resume"):
        claim_run_dir(tmp_path / "runs", "mine", "quick")


def test_a_number_that_was_lost_to_another_search_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = new_run_dir

    def overtaken(out: Path, name: str | None, space: str, taken: Collection[str]) -> Path:
        run_dir = made(out, name, space)
        if run_dir.name in ("quick-001", "quick-002"):
            run_dir.mkdir()  # by another search, between the two
        return run_dir

    monkeypatch.setattr(folder, "new_run_dir", overtaken)
    assert claim_run_dir(tmp_path, None, "quick") == tmp_path / "quick-003"


def test_searches_that_begin_together_get_runs_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        claims = threads.map(lambda _: claim_run_dir(tmp_path / "runs", None, "quick"), range(64))
    assert sorted(path.name for path in claims) == [f"quick-{n:03d}" for n in range(1, 65)]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/abs", "-x", "a b", "ü"])
def test_names_that_are_no_plain_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="allowed: letters"):
        new_run_dir(tmp_path, name, "quick")
