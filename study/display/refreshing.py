"""The report of a study that runs, written anew as it goes on."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Self

from diffusion.recipe import Recipe
from study.display.page import write_report
from study.engine.watcher import Listener
from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.run.run import Run

logger = logging.getLogger(__name__)
EVERY_SECONDS = 10.0
OPEN = ("waiting", "running")  # states that are not the last one
SHARE = 0.02  # of the time, at most, in which a report is being written


class ReportRefresher(Listener):
    """Writes the report when something has happened, seldom, and in a thread of its own.

    Of the trials only those are read that may have changed, since a study tells of each often.
    Where it cannot be written that is said once, and tried again: the study goes on.
    """

    def __init__(self, run: Run, read: Callable[[int], TrialRecord]) -> None:
        """Take note of what is to be shown.

        Args:
            run: whose report it is, with the trials that there are already.
            read: returns a trial as it is; called by who tells of one.
        """
        self._run, self._read, self._has_failed = run, read, False
        self._records = {record.number: record for record in run.records}
        self._open = {r.number for r in run.records if r.state in OPEN}
        self._are_changing = threading.Lock()  # held while the records do
        self._is_changed, self._is_closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="report")

    def __enter__(self) -> Self:
        self._is_changed.set()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_closing.set()
        self._is_changed.set()
        # The report of the end, which another one writes, must come last.
        self._thread.join()

    def on_start(self, number: int, recipe: Recipe) -> None:
        """A trial begins."""
        self._note_change(number)

    def on_rung(self, number: int, train_images: int, scores: Scores) -> None:
        """A running trial's training was scored on its way."""
        self._note_change(number)

    def on_end(self, record: TrialRecord) -> None:
        """A trial is complete, was stopped early, or failed."""
        self._note_change(record.number)

    def _note_change(self, number: int) -> None:
        """Read a trial, and those that began before it and may have changed: refused, untold."""
        unread = range(len(self._records), number)  # their numbers follow one another
        read = {each: self._read(each) for each in {*self._open, *unread, number}}
        self._open = {each for each, record in read.items() if record.state in OPEN}
        with self._are_changing:
            self._records.update(read)
        self._is_changed.set()

    def _work(self) -> None:
        """Write what is the latest, again and again, with a pause after each time."""
        while self._is_changed.wait() and not self._is_closing.is_set():
            self._is_changed.clear()
            start = time.monotonic()
            with self._are_changing:
                records = sorted(self._records.values(), key=lambda record: record.number)
            self._write(self._run.with_records(records))
            self._is_closing.wait(pause_seconds(time.monotonic() - start))

    def _write(self, run: Run) -> None:
        try:
            write_report(run, run.rows(), is_live=True)
        except Exception as error:
            if not self._has_failed:
                what = f"{type(error).__name__}: {error}"
                logger.warning("the report cannot be refreshed, and the study goes on: %s", what)
            self._has_failed = True


def pause_seconds(took_seconds: float) -> float:
    """Return for how long no report is written after one that took so long."""
    return max(EVERY_SECONDS, took_seconds / SHARE)
