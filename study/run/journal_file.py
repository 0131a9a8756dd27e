"""The journal's file, to which several lines may be added at once.

Each line that Optuna adds costs a lock and a flush to the disk, which a shared disk takes
milliseconds for, and a trial that begins adds a dozen.
"""

import json
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from study.run.journal_lock import JournalLock

Entry = dict[str, Any]


class JournalFile(JournalFileBackend):
    """Optuna's journal file, of which this process is the only writer."""

    def __init__(self, path: Path) -> None:
        """Open the file, or begin it where there is none."""
        super().__init__(str(path), JournalLock(path))
        self._gathered: list[Entry] | None = None  # that are to be added at once
        self._num_written = 0  # entries in the file, as far as it was read

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Add what is added meanwhile as one, at the end; it is read back before that.

        Raises:
            OSError: the file cannot be written; a beginning of it may be there.
        """
        if self._gathered is not None:
            yield
            return
        self._gathered = []
        try:
            yield
        finally:
            gathered, self._gathered = self._gathered, None
            if gathered:
                super().append_logs(gathered)
                # The entries that follow are found by where these end.
                self._num_written += sum(1 for _ in super().read_logs(self._num_written))

    def append_logs(self, logs: list[Entry]) -> None:
        """Add entries, now or with the others."""
        if self._gathered is None:
            super().append_logs(logs)
        else:
            self._gathered += logs

    def read_logs(self, log_number_from: int) -> Generator[Entry, None, None]:
        """Read the entries from a number on, those that are not in the file yet with them."""
        if not self._gathered or log_number_from < self._num_written:
            self._num_written = log_number_from
            for entry in super().read_logs(log_number_from):
                self._num_written += 1
                yield entry
        for entry in (self._gathered or [])[max(log_number_from - self._num_written, 0) :]:
            yield json.loads(json.dumps(entry))


class Journal(JournalStorage):
    """Optuna's storage in such a file."""

    def __init__(self, path: Path) -> None:
        """Open the file, or begin it where there is none."""
        self._file = JournalFile(path)
        super().__init__(self._file)

    def at_once(self) -> AbstractContextManager[None]:
        """Write what is written meanwhile as one, at the end."""
        return self._file.at_once()
