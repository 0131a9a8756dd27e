"""Which trial runs next, and what its end means for the study; knows nothing of Ray."""

import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from diffusion.recipe import Recipe
from study.records import Scores, TrialRecord
from study.sampler import Proposer

logger = logging.getLogger(__name__)

MOST_HELD = 16  # Proposals that wait for a backbone; drawing more ahead would waste knowledge.


class Watcher(Protocol):
    """Is told what happens; the live table is one."""

    def on_start(self, number: int, recipe: Recipe) -> None:
        """A trial begins."""

    def on_progress(self, number: int, stage: str, share: float) -> None:
        """A running trial has done a share of a stage."""

    def on_end(self, number: int, scores: Scores | None, reason: str | None) -> None:
        """A trial is complete, or failed for a reason."""


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
    """

    def __init__(
        self, proposer: Proposer, trials: int, deadline: float | None, watcher: Watcher
    ) -> None:
        self.ended = False
        self._exhausted = False
        self._proposer = proposer
        self._storage = proposer.storage
        self._trials = trials
        self._deadline = deadline
        self._watcher = watcher
        self._running: dict[int, Assignment] = {}
        records = self._storage.records()
        self._finished = sum(record.finished for record in records)
        self._trained = {_trained_key(r) for r in records if r.state == "complete"}
        self._held = deque(
            (r.number, r.recipe) for r in records if r.state == "running" and r.recipe is not None
        )

    def next(self) -> Assignment | None:
        """Hand out a trial, or None; then `ended` tells whether asking again is of use."""
        chosen = None if self._is_spent() else self._take_held() or self._take_new()
        if chosen is None:
            self.ended = not self._running
            return None
        number, recipe = chosen
        self._running[number] = Assignment(number, recipe, time.time())
        self._watcher.on_start(number, recipe)
        return self._running[number]

    def progress(self, number: int, stage: str, share: float) -> None:
        """Pass a running trial's progress on."""
        self._watcher.on_progress(number, stage, share)

    def end(self, number: int, scores: Scores | None, reason: str | None) -> None:
        """Record a trial's scores, or why it has none."""
        wall_seconds = round(time.time() - self._running.pop(number).start, 3)
        if scores is not None:
            self._storage.complete(number, scores, wall_seconds)
        else:
            self._storage.fail(number, reason or "unknown", wall_seconds)
        self._finished += 1
        record = self._storage.record(number)
        if record.state == "complete":
            self._trained.add(_trained_key(record))
        self._watcher.on_end(number, record.scores, record.reason)

    def abandon(self, number: int) -> None:
        """Let go of a trial that was cut off; it stays running in the storage."""
        del self._running[number]

    def _is_spent(self) -> bool:
        late = self._deadline is not None and time.time() >= self._deadline
        return late or self._finished + len(self._running) >= self._trials

    def _take_held(self) -> tuple[int, Recipe] | None:
        for position, (number, recipe) in enumerate(self._held):
            if not self._in_training(recipe):
                del self._held[position]
                return number, recipe
        return None

    def _take_new(self) -> tuple[int, Recipe] | None:
        while (
            not self._exhausted
            and len(self._held) < MOST_HELD
            and len(self._running) + len(self._held) + self._finished < self._trials
        ):
            proposal = self._proposer.propose()
            if proposal is None:
                logger.warning("the search space holds nothing new; the study ends early")
                self._exhausted = True
                return None
            if not self._in_training(proposal[1]):
                return proposal
            self._held.append(proposal)
        return None

    def _in_training(self, recipe: Recipe) -> bool:
        key = (recipe.backbone_key, recipe.training.train_images)
        return key not in self._trained and any(
            recipe.backbone_key == other.recipe.backbone_key for other in self._running.values()
        )


def _trained_key(record: TrialRecord) -> tuple[str, int] | None:
    recipe = record.recipe
    return None if recipe is None else (recipe.backbone_key, recipe.training.train_images)
