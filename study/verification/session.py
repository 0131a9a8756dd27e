"""A verification as its user sees it: what is done, what came of it, and how to go on."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from study.display.console import say
from study.display.progress import show_tasks
from study.results.records import TrialRecord
from study.verification.confidence import within_reach
from study.verification.ending import Ending
from study.verification.file import Verification
from study.verification.verified import apply, covers, front_images, judged
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
        """Score what is within reach of the front, and what that brings within reach.

        A trial whose verified scores are over a limit keeps others off the front no more.
        """
        tried: set[int] = set()
        while wanted := [r for r in self._wanted() if r.number not in tried]:
            plan = self.verifier.plan
            each = f"{plan.num_seeds} x {plan.num_images:,} images each"
            self._say(f"verify   {len(wanted)} trials, {each}")
            with show_tasks(self.console, "drawing again") as on_task:
                self.verifier.score(wanted, on_task)
            with show_tasks(self.console, "timing alone") as on_task:
                self.verifier.time(wanted, on_task)
            tried.update(record.number for record in wanted)
        if self.replicates:
            with show_tasks(self.console, "training again") as on_task:
                self.verifier.train_again(self._front(), self.replicates, on_task)

    def _ending(self, left: Sequence[str], interrupted: bool) -> Ending:
        if interrupted:
            return Ending.INTERRUPTED
        if self.verifier.passing:
            return Ending.FAILED
        return Ending.TIME_UP if left else Ending.DONE

    @property
    def _verification(self) -> Verification:
        return self.verifier.verification

    def _wanted(self) -> list[TrialRecord]:
        """Return the trials to verify, those on the search's front first: time may be short."""
        seen = judged(self._verification, self.verifier.plan.num_images)
        if self.every:
            return seen.complete()
        front = {record.number for record in seen.front()}
        near = within_reach(seen.records, seen.objectives)
        return sorted(near, key=lambda record: record.number not in front)

    def _front(self) -> list[TrialRecord]:
        """Return the verified front of the plan; none as long as there is no such."""
        num_images = self.verifier.plan.num_images
        if not covers(self._verification, num_images):
            return []
        return apply(self._verification, num_images).front()

    def _left(self) -> list[str]:
        """Say what is missing of the plan, and what that means for the front."""
        plan, known = self.verifier.plan, self._verification.known
        wanted, front = self._wanted(), self._front() if self.replicates else []
        left = self._left_of_seeds(wanted)
        scored = [known(r.number) for r in wanted if known(r.number).scores(plan.num_images)]
        if untimed := sum(point.latency_ms is None for point in scored):
            left.append(f"{untimed} of {len(scored)} verified trials are not timed")
        trainings = [known(r.number).missing_trainings(plan, self.replicates) for r in front]
        if missing := sum(map(len, trainings)):
            left.append(f"{missing} of {self.replicates * len(front)} trainings again are missing")
        return left

    def _left_of_seeds(self, wanted: Sequence[TrialRecord]) -> list[str]:
        plan, known = self.verifier.plan, self._verification.known
        lacking = [r for r in wanted if known(r.number).missing_seeds(plan)]
        unverified = [r for r in lacking if not known(r.number).scores(plan.num_images)]
        which = "complete trials" if self.every else "trials within reach of the front"
        of = f"of {len(wanted)} {which}"
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
