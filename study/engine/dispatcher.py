"""Which trial runs next, and what its end means for the study; knows nothing of Ray."""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from diffusion.recipe import Recipe
from study.engine.budget import Budget
from study.engine.early_stopping import Rungs
from study.engine.proposer import Proposer
from study.engine.trainings import Trainings
from study.engine.watcher import Listener
from study.results.objectives import Scores

logger = logging.getLogger(__name__)
MOST_HELD = 16  # Proposals that wait for a backbone; drawing more ahead would waste knowledge.


@dataclass(frozen=True)
class Assignment:
    """A trial that was handed out."""

    number: int
    recipe: Recipe
    start: float


class Dispatcher:
    """Hands out numbered recipes and tells the storage how they end.

    Trials that an earlier driver left running come first, under their own numbers. A recipe whose
    backbone a running trial is training is held back until that one is done.

    Attributes:
        ended: whether there was nothing more to hand out; false when a study was interrupted.
        halted: why no trial can go on, for example since the disk is full; else None.
    """

    def __init__(
        self,
        proposer: Proposer,
        rungs: Rungs,
        budget: Budget,
        watcher: Listener,
        *,
        reuse: bool = True,
        sweep_front: bool = False,
        retries: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take up where the storage's records end.

        Args:
            reuse: whether a training feeds every trial that can use it.
            sweep_front: whether the front's backbones are swept once the trials are finished.
            retries: how often a trial that breaks is started again.
            clock: returns seconds, in which `budget` and records are given.
        """
        self.ended = False
        self.halted: str | None = None
        self._exhausted = False
        self._proposer = proposer
        self._rungs = rungs
        self._storage = proposer.storage
        self._budget = budget
        self._watcher = watcher
        self._retries = retries
        self._sweep_front = sweep_front
        self._sweeping = False
        self._clock = clock
        self._attempts: Counter[int] = Counter()  # that broke
        self._running: dict[int, Assignment] = {}
        self._stops: dict[int, str] = {}  # why running trials are being stopped early
        records = self._storage.records()
        self._finished = sum(record.finished for record in records)
        self._train_images = sum(record.trained_images for record in records)
        self._trainings = Trainings(records, reuse=reuse)
        self._held = deque(
            (r.number, r.recipe) for r in records if r.state == "running" and r.recipe is not None
        )

    def next(self) -> Assignment | None:
        """Hand out a trial, or None; then `ended` tells whether asking again is of use."""
        chosen = None
        with self._halting():
            if self._sweep_is_due():
                self._proposer.enqueue_sweep()
                self._sweeping = True
            if not self._is_spent():
                chosen = self._take_held() or self._take_new()
            if self._sweeping:
                self._say_extent(chosen)
        if chosen is None:
            self.ended = not self._running and self.halted is None
            return None
        number, recipe = chosen
        self._running[number] = Assignment(number, recipe, self._clock())
        self._watcher.on_start(number, recipe)
        return self._running[number]

    def progress(
        self, number: int, stage: str, share: float, trained_images: int | None = None
    ) -> None:
        """Pass a running trial's progress on."""
        self._watcher.on_progress(number, stage, share)

    def warn(self, number: int, text: str) -> None:
        """Pass a running trial's warning on."""
        self._watcher.on_warning(number, text)

    def judge(self, number: int, train_images: int, scores: Scores) -> bool:
        """Keep what a running trial's training scored on its way; return whether it may go on."""
        key = self._running[number].recipe.backbone_key
        with self._halting():
            self._storage.keep_rung(number, train_images, scores)
        if self.halted is not None:
            return False
        self._rungs.add(key, train_images, scores)
        self._watcher.on_rung(number, train_images, scores)
        if self._rungs.may_go_on(key, train_images):
            return True
        self._stops[number] = self._rungs.stop(key, train_images)
        return False

    def end(self, number: int, scores: Scores | None, reason: str | None) -> None:
        """Record a trial's scores, or why it has none."""
        with self._halting():
            self._end(number, scores, reason)

    def _end(self, number: int, scores: Scores | None, reason: str | None) -> None:
        wall_seconds = round(self._clock() - self._running.pop(number).start, 3)
        if scores is not None:
            self._storage.complete(number, scores, wall_seconds)
        elif number in self._stops:
            self._storage.prune(number, self._stops.pop(number), wall_seconds)
        else:
            self._storage.fail(number, reason or "unknown", wall_seconds)
        record = self._storage.record(number)
        self._finished += 1
        self._train_images += record.trained_images
        if record.state == "complete" and record.recipe is not None:
            self._trainings.finish(record)
            self._rungs.finish(record.recipe.backbone_key)
        self._watcher.on_end(record)

    def break_off(self, number: int, reason: str) -> None:
        """Put a trial that broke in line again, or record that it failed once too often."""
        self._attempts[number] += 1
        if number in self._stops or self._attempts[number] > self._retries:
            self.end(number, None, reason)
            return
        self._held.appendleft((number, self._running.pop(number).recipe))
        self._watcher.on_retry(number, reason)

    def abandon(self, number: int, halt: str | None = None) -> None:
        """Let go of a trial that was cut off; it stays running in the storage.

        Args:
            halt: why no other trial can go on either.
        """
        del self._running[number]
        self._stops.pop(number, None)
        self.halted = self.halted or halt

    def is_stopped(self, number: int) -> bool:
        """Whether a running trial was judged to be stopped early."""
        return number in self._stops

    @contextmanager
    def _halting(self) -> Iterator[None]:
        """Come to a halt where the study cannot be written; its trials stay running in it."""
        try:
            yield
        except OSError as error:
            self.halted = self.halted or str(error)

    def _sweep_is_due(self) -> bool:
        return (
            self._sweep_front
            and not self._sweeping
            and not self._running
            and self._finished >= self._budget.trials
        )

    def _say_extent(self, chosen: tuple[int, Recipe] | None) -> None:
        """Say how many trials there will be; those of a sweep that are refused do not count."""
        begun = self._finished + len(self._running) + len(self._held) + (chosen is not None)
        self._watcher.on_extend(begun + len(self._storage.sweep_in_line()))

    def _is_spent(self) -> bool:
        deadline, most = self._budget.deadline, self._budget.train_images
        images = self._train_images + self._trainings.images_left(self._running_recipes())
        begun = self._finished + len(self._running)
        return (
            self.halted is not None
            or (not self._sweeping and begun >= self._budget.trials)
            or (deadline is not None and self._clock() >= deadline)
            or (most is not None and images >= most)
        )

    def _take_held(self) -> tuple[int, Recipe] | None:
        for number, recipe in tuple(self._held):
            if self._trainings.is_busy(recipe, self._running_recipes()):
                continue
            self._held.remove((number, recipe))
            if reason := self._rungs.refusal(recipe):
                self._storage.withdraw(number, reason)
                continue
            return number, recipe
        return None

    def _take_new(self) -> tuple[int, Recipe] | None:
        while self._may_propose():
            proposal = self._propose()
            if proposal is None:
                return None
            if not self._trainings.is_busy(proposal[1], self._running_recipes()):
                return proposal
            self._held.append(proposal)
        return None

    def _may_propose(self) -> bool:
        if self._exhausted or len(self._held) >= MOST_HELD:
            return False
        begun = self._finished + len(self._running) + len(self._held)
        return self._sweeping or begun < self._budget.trials

    def _propose(self) -> tuple[int, Recipe] | None:
        if self._sweeping:
            return self._proposer.propose_swept()
        proposal = self._proposer.propose()
        if proposal is None:
            logger.warning("the search space holds nothing new; the study ends early")
            self._exhausted = True
        return proposal

    def _running_recipes(self) -> list[Recipe]:
        return [assignment.recipe for assignment in self._running.values()]
