"""A lock that a killed process left on the journal is taken over, and said."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from optuna.samplers import RandomSampler

from study.run.folder import JOURNAL_NAME, exclusive
from study.run.journal_lock import SUFFIX, JournalLock
from study.run.storage import StudyStorage

# Dies within a write to the journal, while it holds the lock: Optuna's own, or ours.
DIE = """
import os, signal, sys
from pathlib import Path
from optuna.storages.journal import JournalFileBackend, JournalStorage
from study.run.journal_lock import JournalLock
journal = Path(sys.argv[1])
lock = JournalLock(journal) if sys.argv[2] == "ours" else None
backend = JournalFileBackend(str(journal), lock)
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
backend.append_logs([{"op_code": 0}])
"""
OBJECTIVES = ("fid", "size_bytes")


@pytest.mark.parametrize("lock", ["ours", "optuna's"])
@pytest.mark.parametrize("moved", [False, True])
def test_a_run_goes_on_after_a_kill_within_a_write(
    lock: str, moved: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run, journal = tmp_path / "run", tmp_path / "run" / JOURNAL_NAME
    run.mkdir()
    StudyStorage(journal, OBJECTIVES)
    before = journal.read_bytes()
    killed = subprocess.run([sys.executable, "-c", DIE, str(journal), lock], check=False)
    assert killed.returncode == -9
    left = journal.with_name(journal.name + SUFFIX)
    assert left.is_symlink() == (lock == "optuna's")
    journal.write_bytes(before)  # the line itself is another matter
    if moved:
        run = run.rename(tmp_path / "moved")  # a link to a whole path leads nowhere now
    with caplog.at_level(logging.WARNING), exclusive(run):
        StudyStorage(run / JOURNAL_NAME, OBJECTIVES).ask(RandomSampler(seed=0))
    assert ("was left by a killed process: taken over" in caplog.text) == (lock != "ours")
    assert {path.name for path in run.iterdir()} == {JOURNAL_NAME}


def test_a_lock_is_held_until_it_is_released(tmp_path: Path) -> None:
    first, second = (JournalLock(tmp_path / JOURNAL_NAME) for _ in range(2))
    assert first.acquire()
    assert (tmp_path / f"{JOURNAL_NAME}{SUFFIX}").exists()
    first.release()
    assert second.acquire()
    second.release()
    assert list(tmp_path.iterdir()) == []
