"""The journal's lock: the operating system's, so that no killed process leaves it held.

Optuna's own is a link beside the journal. One that a kill leaves behind is waited for, 30 seconds
where the journal lies as it lay then, and for ever where its folder was moved.
"""

import logging
from pathlib import Path

from filelock import FileLock
from optuna.storages.journal import JournalFileOpenLock

logger = logging.getLogger(__name__)
SUFFIX = ".lock"


class JournalLock(JournalFileOpenLock):
    """Keeps other processes from a journal while a line is added to it.

    One of Optuna's by its type alone: nothing of its is left.
    """

    def __init__(self, journal: Path) -> None:
        """Name the lock; a link in its place, which a killed process left, is removed and said.

        Args:
            journal: of a run that this process has to itself.
        """
        self._path = journal.with_name(f"{journal.name}{SUFFIX}")
        if self._path.is_symlink():
            self._path.unlink(missing_ok=True)
            logger.warning("lock %s was left by a killed process: taken over", self._path)
        self._lock = FileLock(self._path, fallback_to_soft=False)

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._lock.acquire()
        return True

    def release(self) -> None:
        """Let go of the lock; who waits for a file that is gone makes it anew."""
        self._path.unlink(missing_ok=True)
        self._lock.release()
