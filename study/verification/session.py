"""A verification as its user sees it: what is done, what came of it, and how to go on."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rich.console import Console

from study.display.console import say
from study.display.progress import Count, show_tasks
from study.results.records import TrialRecord
from study.verification.ending import Ending
from study.verification.file import Verification
from study.verification.rounds import Round, latency_counts, next_round, to_time, wanted
from study.verification.verified import apply, covers, front_images
from study.verification.work import Verifier


@dataclass(frozen=True)
class Session:
    """One verification of a run.

    Attributes:
        go_on: the command that does what this one leaves.
        every: whether every complete trial is verified, not what is within reach of the front.
        replicates: how often the front is trained again.
    """

    verifier: Verifier
    console: Console
    go_on: str
    every: bool = False
    replicates: int = 0

    def run(self) -> Ending:
        """Do what is missing, and say what came of it."""
        interrupted = False
        try:
            self._work()
        except KeyboardInterrupt:
            interrupted = True
        left = self._left()
        ending = self._ending(left, interrupted)
        self._say_failures()
        if ending != Ending.DONE:
            what = "; ".join(left) or "nothing is missing"
            self._say(f"{ending.value}: {what}; go on with: {self.go_on}")
        return ending

    def _work(self) -> None:
        """Score the front and what is within its reach, and what that brings within reach.

        A trial whose verified scores are over a limit keeps others off the front no more.
        """
        tried: set[tuple[int, int]] = set()
        in_time, drawn = True, Count()
        while in_time and (to_score := self._next_round(tried)):
            self._say(self._what(to_score))
            with show_tasks(self.console, "drawing again", drawn) as on_task:
                in_time = self.verifier.score(to_score, self._to_time(), on_task)
            if latency_counts(self._verification):  # by which the next round is chosen
                self._time()
            tried.update((record.number, num_seeds) for record, num_seeds in to_score)
        self._time()
        if self.replicates:
            with show_tasks(self.console, "training again") as on_task:
                self.verifier.train_again(self._front(), self.replicates, on_task)

    def _time(self) -> None:
        with show_tasks(self.console, "timing alone") as on_task:
            self.verifier.time(self._to_time(), on_task)

    def _ending(self, left: Sequence[str], interrupted: bool) -> Ending:
        if interrupted:
            return Ending.INTERRUPTED
        if self.verifier.passing:
            return Ending.FAILED
        return Ending.TIME_UP if left else Ending.DONE

    @property
    def _verification(self) -> Verification:
        return self.verifier.verification

    def _next_round(self, tried: Collection[tuple[int, int]]) -> Round:
        return next_round(self._verification, self.verifier.plan, tried, every=self.every)

    def _what(self, to_score: Round) -> str:
        """Say what a round draws."""
        plan = self.verifier.plan
        whole = sum(num_seeds == plan.num_seeds for _, num_seeds in to_score)
        images = f"{plan.num_images:,}"
        trials = "1 trial" if whole == 1 else f"{whole} trials"
        parts = [f"{trials}, {plan.num_seeds} x {images} images each"] if whole else []
        if near := len(to_score) - whole:
            parts.append(f"{near} near them, {images} images each at first")
        return f"verify   {'; '.join(parts)}"

    def _wanted(self) -> list[TrialRecord]:
        """Return the trials to verify."""
        return wanted(self._verification, self.verifier.plan, every=self.every)

    def _to_time(self) -> list[TrialRecord]:
        """Return the trials to time alone."""
        return to_time(self._verification, self.verifier.plan, every=self.every)

    def _front(self) -> list[TrialRecord]:
        """Return the verified front of the plan; none as long as there is no such."""
        num_images = self.verifier.plan.num_images
        if not covers(self._verification, num_images):
            return []
        return apply(self._verification, num_images).front()

    def _left(self) -> list[str]:
        """Say what is missing of the plan, and what that means for the front."""
        plan, known = self.verifier.plan, self._verification.known
        records, front = self._wanted(), self._front() if self.replicates else []
        left = self._left_of_seeds(records)
        points = [known(record.number) for record in self._to_time()]
        scored = [point for point in points if point.scores(plan.num_images)]
        if untimed := sum(point.latency_ms is None for point in scored):
            left.append(f"{untimed} of {len(scored)} verified trials to be timed are not")
        trainings = [known(r.number).missing_trainings(plan, self.replicates) for r in front]
        if missing := sum(map(len, trainings)):
            left.append(f"{missing} of {self.replicates * len(front)} trainings again are missing")
        return left

    def _left_of_seeds(self, records: Sequence[TrialRecord]) -> list[str]:
        plan, known = self.verifier.plan, self._verification.known
        lacking = [r for r in records if known(r.number).missing_seeds(plan)]
        unverified = [r for r in lacking if not known(r.number).scores(plan.num_images)]
        which = "complete trials" if self.every else "trials within reach of the front"
        of = f"of {len(records)} {which}"
        if unverified:
            return [f"{len(unverified)} {of} are not verified, so {self._meaning()}"]
        return [f"{len(lacking)} {of} have fewer than {plan.num_seeds} seeds"] if lacking else []

    def _meaning(self) -> str:
        num_images = front_images(self._verification)
        if num_images == self.verifier.plan.num_images:
            return "they are left out of the front"
        of = "the search" if num_images is None else f"{num_images:,} images"
        return f"the front stays that of {of}"

    def _say_failures(self) -> None:
        """Say what cannot be verified at all, and what may come out well another time."""
        for number, point in sorted(self._verification.points.items()):
            if point.reason:
                self._say(f"trial {number} cannot be scored again: {point.reason}")
            for replicate, reason in sorted(point.failed_trainings.items()):
                if replicate <= self.replicates:
                    self._say(f"trial {number} cannot be trained again, {replicate}: {reason}")
        for (what, reason), numbers in self.verifier.passing.items():
            listed = ", ".join(map(str, sorted(numbers)))
            self._say(f"{what} failed this time, of trials {listed}: {reason}")

    def _say(self, line: str) -> None:
        say(self.console, line)
