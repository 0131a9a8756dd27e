"""What all trackers have in common: a thread that logs, so that the study never waits for one.

A tracker that fails is said once and logs no more; what does not fit into its line is left out.
"""

import queue
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from diffusion.errors import one_line
from diffusion.recipe import Recipe
from study.engine.watcher import Listener
from study.evaluation.context import TRAIN
from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.trackers.outcome import Knob, Outcome, figures, knobs

MOST_WAITING = 1_000  # entries
CLOSE_SECONDS = 30.0  # that the end of a study waits for a tracker
LEAST_SHARE = 0.05  # of a training between two entries of its pace
PACE = "training/images_per_second"
Entry = Callable[[], None]


class Tracker(Listener):
    """Logs one run a trial; a kind of tracker says how.

    All but what a listener is told runs in a thread of its own, one entry after another.

    Attributes:
        name: what it is called.
    """

    name: str

    def __init__(self, run_dir: Path, tracking_id: str, tell: Callable[[str], None]) -> None:
        """Begin with nothing to log.

        Args:
            run_dir: the run's folder.
            tracking_id: by which runs of this study are found again.
            tell: takes what a person is to be told; called from any thread.
        """
        self.run_dir, self.tracking_id = run_dir, tracking_id
        self._tell = tell
        self._paces: dict[int, tuple[int, float, float]] = {}  # images in all, share, seconds
        self._entries: queue.Queue[Entry | None] = queue.Queue(MOST_WAITING)
        self._begun: set[int] = set()
        self._over = False  # whether it broke, or is closed
        self._left_out = 0
        self._thread = threading.Thread(target=self._log, name=self.name, daemon=True)
        self._thread.start()

    @abstractmethod
    def open(self) -> None:
        """Get ready, before anything is logged."""

    @abstractmethod
    def begin(self, number: int, recipe_knobs: Mapping[str, Knob]) -> None:
        """Begin a trial's run, or go on with the one that it has."""

    @abstractmethod
    def add(self, number: int, values: Mapping[str, float], train_images: int) -> None:
        """Log points of a run's curves."""

    @abstractmethod
    def end(self, number: int, outcome: Outcome) -> None:
        """End a trial's run with what came of it."""

    @abstractmethod
    def leave(self) -> None:
        """Let go of the runs that have not ended, which a resume goes on with."""

    def on_start(self, number: int, recipe: Recipe) -> None:
        """A trial begins."""
        self._paces[number] = (recipe.training.train_images, 0.0, time.monotonic())
        self._put(lambda: self._begin(number, knobs(recipe)))

    def on_progress(self, number: int, stage: str, share: float) -> None:
        """A running trial has done a share of a stage; of a training its pace is logged."""
        images, last_share, last_seconds = self._paces.get(number, (0, share, 0.0))
        if stage != TRAIN or share - last_share < LEAST_SHARE:
            return
        now = time.monotonic()
        pace = images * (share - last_share) / max(now - last_seconds, 1e-6)
        self._paces[number] = (images, share, now)
        self._put_of(number, lambda: self.add(number, {PACE: pace}, round(images * share)))

    def on_rung(self, number: int, train_images: int, scores: Scores) -> None:
        """A running trial's training was scored on its way."""
        values = {f"training/{name}": value for name, value in figures(scores).items()}
        self._put_of(number, lambda: self.add(number, values, train_images))

    def on_end(self, record: TrialRecord) -> None:
        """A trial is complete, was stopped early, or failed."""
        self._paces.pop(record.number, None)
        self._put_of(record.number, lambda: self._end(record))

    def close(self) -> None:
        """Log what is left, as far as that takes no more than half a minute."""
        deadline = time.monotonic() + CLOSE_SECONDS
        with suppress(queue.Full):
            for entry in (self.leave, None):
                self._entries.put(entry, timeout=max(deadline - time.monotonic(), 0))
        self._thread.join(max(deadline - time.monotonic(), 0))
        if self._thread.is_alive() and not self._over:
            self._left_out += self._entries.qsize()
        self._over = True
        if self._left_out:
            self._tell(f"{self.name} lacks {self._left_out} entries: it was too slow for them")

    def _put(self, entry: Entry) -> None:
        try:
            self._entries.put_nowait(entry)
        except queue.Full:
            self._left_out += 1

    def _put_of(self, number: int, entry: Entry) -> None:
        """Have a trial's entry logged, unless its begin was left out."""
        self._put(lambda: entry() if number in self._begun else None)

    def _begin(self, number: int, recipe_knobs: Mapping[str, Knob]) -> None:
        """Begin a trial's run; one that broke and starts again goes on with it."""
        if number not in self._begun:
            self.begin(number, recipe_knobs)
            self._begun.add(number)

    def _end(self, record: TrialRecord) -> None:
        self.end(record.number, Outcome.of(record, self.run_dir))
        self._begun.discard(record.number)

    def _log(self) -> None:
        entry: Entry | None = self.open
        while entry is not None:
            if not self._over:
                self._try(entry)
            entry = self._entries.get()

    def _try(self, entry: Entry) -> None:
        try:
            entry()
        except Exception as error:
            self._over = True
            why = one_line(f"{type(error).__name__}: {error}", 200)
            self._tell(f"{self.name} logs no more of the study: {why}")
