"""Which trial runs next, and what its end means for the study; knows nothing of Ray."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from study.engine.budget import Budget
from study.engine.choice import Choice
from study.engine.failures import Failure, Failures
from study.engine.proposer import Proposal, Proposer
from study.engine.recording import Recording
from study.engine.running import Assignment, Running
from study.engine.screened import as_screenings
from study.engine.trainings import Trainings
from study.engine.watcher import Listener
from study.results.objectives import Scores

logger = logging.getLogger(__name__)

MOST_LOOKS = 5  # In one call; its caller listens to Ctrl-C in between.


class Dispatcher:
    """Hands out numbered recipes and tells the storage how they end.

    Trials that an earlier driver left running come first, under their own numbers. A recipe whose
    backbone a running trial is training is held back until that one is done.

    Attributes:
        ended: whether there was nothing more to hand out; false when a study was interrupted.
        halted: why no trial can go on, for example since the disk is full; else None.
        looking: whether none was handed out because the look for one was cut off, to serve
            others; ask again soon.
    """

    def __init__(
        self,
        proposer: Proposer,
        trainings: Trainings,
        budget: Budget,
        watcher: Listener,
        *,
        retries: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take up where the storage's records end.

        Args:
            proposer: names the trials, and holds the storage.
            trainings: of the storage's records.
            budget: ends the study.
            watcher: is told what happens.
            retries: how often a trial that breaks is started again.
            clock: returns seconds, in which `budget` and records are given.
        """
        self.ended = self.looking = False
        self.halted: str | None = None
        self._unwritable = False  # a line may be torn, and the next would be written onto it
        self._proposer = proposer
        self._storage = proposer.storage
        self._trainings = trainings
        self._budget = budget
        self._watcher = watcher
        self._clock = clock
        self._failures = Failures(retries)
        self._running = Running()
        self._choice = Choice(proposer, trainings, self._storage.records())
        listeners = (trainings.finish, self._choice.note_end, watcher.on_end)
        self._recording = Recording(self._storage, self._running, listeners)

    def next(self) -> Assignment | None:
        """Hand out a trial, or None; then `ended` tells whether asking again is of use."""
        assignment = None
        with self._halting():
            chosen = self._choose()
            if chosen is None and self._failures and self._is_idle():
                self._recording.fail(self._failures.release())
                chosen = self._choose()
            if chosen is not None:
                to_screen = tuple(self._proposer.to_screen(chosen[0]))
                assignment = Assignment(*chosen, self._clock(), to_screen)
        if assignment is None:
            self.ended = self._is_idle()
            if self.ended and self._choice.exhausted:
                logger.warning("the search space holds nothing new; the study ends early")
            return None
        self._watcher.on_start(assignment.number, assignment.recipe)
        return self._running.start(assignment)

    def end_if_done(self) -> None:
        """Set `ended` where the budget is used up and nothing runs, before any worker asks."""
        if not (self._is_spent() and self._is_idle()):
            return
        with self._halting():
            self._recording.fail(self._failures.release())
        self.ended = self._is_spent() and self._is_idle()

    def progress(
        self, number: int, stage: str, share: float, trained_images: int | None = None
    ) -> None:
        """Pass on how far a running trial is: in a stage, and in images, kept where it fails."""
        self._running.note(number, stage, share, trained_images)
        self._watcher.on_progress(number, stage, share)

    def locate(self, number: int, place: str) -> None:
        """Keep where a running trial's worker is, so that its log can be found."""
        with self._halting():
            if not self._unwritable:
                self._storage.keep_place(number, place)

    def warn(self, number: int, text: str) -> None:
        """Pass a running trial's warning on."""
        self._watcher.on_warning(number, text)

    def note(self, text: str) -> None:
        """Pass on what concerns no trial."""
        self._watcher.on_note(text)

    def halt(self, reason: str) -> None:
        """Hand out no trial any more."""
        self.halted = self.halted or reason

    def screened(self, number: int, found: Sequence[Mapping[str, Any]]) -> None:
        """Keep what a running trial's worker screened, as it reports it."""
        with self._halting():
            if not self._unwritable:
                asked = self._running.to_screen(number)
                self._storage.keep_screened(number, as_screenings(asked, found))

    def judge(self, number: int, train_images: int, scores: Scores) -> bool:
        """Keep what a running trial's training scored on its way; return whether it may go on."""
        if self._unwritable:
            return False
        key = self._running.recipe(number).backbone_key
        with self._halting():
            self._storage.keep_rung(number, train_images, scores)
        if self.halted is not None:
            return False
        self._watcher.on_rung(number, train_images, scores)
        if reason := self._trainings.judge(key, train_images, scores):
            self._running.stops[number] = reason
        self._running.stops |= self._trainings.overtaken(self._running.training())
        return reason is None

    def end(self, number: int, scores: Scores | None, reason: str | None) -> None:
        """Record a trial's scores, or why it has none and would have none another time."""
        if self._unwritable:
            self.abandon(number)
            return
        stop = self._running.stops.get(number)
        wall_seconds = self._take_off(number)
        with self._halting():
            if self.halted is None:
                self._recording.fail(self._failures.release())
            if scores is not None:
                self._recording.complete(number, scores, wall_seconds)
            elif stop is not None:
                self._recording.stop(number, stop, wall_seconds)
            else:
                self._recording.fail([Failure(number, reason or "unknown", wall_seconds)])

    def break_off(self, number: int, reason: str) -> None:
        """Put a trial that broke in line again, or once too often, hold its failure back."""
        if self.is_stopped(number):
            self.end(number, None, reason)
        elif self.halted is not None:
            self.abandon(number)
        elif self._failures.may_retry(number):
            self._begin_again(number, reason)
        else:
            failure = Failure(number, reason, self._take_off(number))
            self._watcher.on_hold(number, reason)
            with self._halting():
                self._recording.fail(self._failures.hold_back(failure))
            self.halted = self.halted or self._failures.systematic()

    def lose(self, number: int, reason: str) -> None:
        """Put a trial in line again whose machine is gone, which is no failure of its own."""
        if self.is_stopped(number) or self.halted is not None or not self._failures.lose(number):
            self.break_off(number, reason)
        else:
            self._begin_again(number, reason)

    def abandon(self, number: int, halt: str | None = None) -> None:
        """Let go of a trial that was cut off; it stays running in the storage.

        Args:
            number: of the trial.
            halt: why no other trial can go on either.
        """
        self._take_off(number)
        if halt is not None:
            self.halt(halt)

    def is_stopped(self, number: int) -> bool:
        """Whether a running trial was judged to be stopped early."""
        return number in self._running.stops

    def _begin_again(self, number: int, reason: str) -> None:
        self._choice.put_back((number, self._running.recipe(number)))
        self._take_off(number)
        self._watcher.on_retry(number, reason)

    @contextmanager
    def _halting(self) -> Iterator[None]:
        """Come to a halt where the study cannot be written; its trials stay running in it."""
        try:
            yield
        except OSError as error:
            self.halted = self.halted or str(error)
            self._unwritable = True

    def _take_off(self, number: int) -> float:
        """Take a trial off the running ones; return how many seconds it ran."""
        self._proposer.note_end(number)
        return round(self._clock() - self._running.take_off(number).start, 3)

    def _choose(self) -> Proposal | None:
        """Choose the next trial, in a few looks where none runs that has to be served."""
        chosen, self.looking, looks = None, False, 0
        while not self._is_spent():
            looks += 1
            room = self._budget.trials - self._begun()
            seconds_left = self._budget.seconds_left(self._clock())
            most_trained = self._running.most_trained()
            chosen = self._choice.next(self._running.recipes(), room, seconds_left, most_trained)
            self.looking = self._choice.looking
            if chosen is not None or self._running or not self.looking or looks == MOST_LOOKS:
                break
        else:
            self.looking = False
        return chosen

    def _is_idle(self) -> bool:
        """Whether nothing runs, and nothing else is to be run."""
        return not (self._running or self.looking or self.halted)

    def _begun(self) -> int:
        return self._recording.finished + len(self._running) + len(self._failures)

    def _is_spent(self) -> bool:
        images = self._trainings.images_left(self._running.recipes())
        images += self._recording.train_images
        now = self._clock()
        spent = self._budget.is_spent(begun=self._begun(), train_images=images, now=now)
        return spent or self.halted is not None
