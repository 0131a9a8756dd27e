"""How trials end: recorded in the storage, then told to all who learn from it."""

from collections.abc import Callable, Iterable

from study.engine.failures import Failure
from study.engine.running import Running
from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.run.storage import StudyStorage


class Recording:
    """Records ends, and counts what they add up to.

    Attributes:
        finished: trials that count towards those that were asked for.
        train_images: that all trials were trained on, as far as they could say.
    """

    def __init__(
        self,
        storage: StudyStorage,
        running: Running,
        listeners: Iterable[Callable[[TrialRecord], None]],
    ) -> None:
        """Take up the ends that a storage holds.

        Args:
            storage: of the study.
            running: knows how many images trials said they were trained on.
            listeners: are told of each new end, in this order.
        """
        self._storage = storage
        self._running = running
        self._listeners = tuple(listeners)
        records = storage.records()
        self.finished = sum(record.finished for record in records)
        self.train_images = sum(record.trained_images for record in records)

    def complete(self, number: int, scores: Scores, wall_seconds: float) -> None:
        """Record a trial's scores."""
        self._storage.complete(number, scores, wall_seconds)
        self._tell(number)

    def stop(self, number: int, reason: str, wall_seconds: float) -> None:
        """Record that a trial was stopped early."""
        self._storage.prune(number, reason, wall_seconds, self._running.images.get(number))
        self._tell(number)

    def fail(self, failures: Iterable[Failure]) -> None:
        """Record failures."""
        for failure in failures:
            images = self._running.images.get(failure.number)
            self._storage.fail(failure.number, failure.reason, failure.wall_seconds, images)
            self._tell(failure.number)

    def _tell(self, number: int) -> None:
        """Count an end and pass it on, as the storage has it."""
        record = self._storage.record(number)
        self.finished += 1
        self.train_images += record.trained_images
        self._running.images.pop(number, None)
        for listener in self._listeners:
            listener(record)
