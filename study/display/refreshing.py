"""The report of a study that runs, written anew as it goes on."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from diffusion.recipe import Recipe
from study.display.page import write_report
from study.engine.watcher import Listener
from study.results.front import front_rows
from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.run.run import Run

logger = logging.getLogger(__name__)
EVERY_SECONDS = 10.0
SHARE = 0.02  # of the time, at most, in which a report is being written


class ReportRefresher(Listener):
    """Writes the report once something happened, seldom, and in a thread of its own.

    Where it cannot be written that is said once, and tried again: the study goes on.
    """

    def __init__(self, run: Run, read: Callable[[], Sequence[TrialRecord]]) -> None:
        """Take note of what is to be shown.

        Args:
            run: whose report it is, with the trials that there are already.
            read: returns its trials as they are; called by who tells of them.
        """
        self._run, self._read = run, read
        self._thread: threading.Thread | None = None
        self._is_changed, self._next_seconds, self._has_failed = False, 0.0, False

    def __enter__(self) -> Self:
        self._begin(self._run)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The report of the end, which another one writes, must come last.
        if self._thread is not None:
            self._thread.join()

    def on_start(self, number: int, recipe: Recipe) -> None:
        """A trial begins."""
        self._note_change()

    def on_progress(self, number: int, stage: str, share: float) -> None:
        """A running trial has done a share of a stage: what changed before may be due now."""
        self._refresh()

    def on_rung(self, number: int, train_images: int, scores: Scores) -> None:
        """A running trial's training was scored on its way."""
        self._note_change()

    def on_end(self, record: TrialRecord) -> None:
        """A trial is complete, was stopped early, or failed."""
        self._note_change()

    def _note_change(self) -> None:
        self._is_changed = True
        self._refresh()

    def _refresh(self) -> None:
        """Begin to write what changed, where it is time and nothing is being written."""
        is_writing = self._thread is not None and self._thread.is_alive()
        if not self._is_changed or is_writing or time.monotonic() < self._next_seconds:
            return
        self._is_changed = False
        self._begin(self._run.with_records(self._read()))

    def _begin(self, run: Run) -> None:
        self._thread = threading.Thread(target=self._write, args=(run,), name="report")
        self._thread.start()

    def _write(self, run: Run) -> None:
        start = time.monotonic()
        try:
            write_report(run, front_rows(run.records, run.objectives), is_live=True)
        except Exception as error:
            if not self._has_failed:
                what = f"{type(error).__name__}: {error}"
                logger.warning("the report cannot be refreshed, and the study goes on: %s", what)
            self._has_failed = True
        took = time.monotonic() - start
        self._next_seconds = start + took + max(EVERY_SECONDS, took / SHARE)
