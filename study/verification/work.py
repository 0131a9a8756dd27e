"""The work of a verification: models drawn from again, timed alone, and trained again."""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from diffusion.recipe import Recipe
from diffusion.score.latency import TIMED_IMAGES
from study.cluster.resources import Resources
from study.cluster.tasks import run_tasks
from study.display.progress import OnTask
from study.evaluation.context import RunContext
from study.results.objectives import LATENCIES, Scores
from study.results.records import TrialRecord
from study.run.packages import fault
from study.verification.file import Verification
from study.verification.point import FEWEST_SEEDS, Plan, Point
from study.verification.rounds import Round
from study.verification.tasks import Failure, Work, score_one, time_one, train_group

TRAINING_SEED_STEP = 1_000


@dataclass(frozen=True)
class Verifier:
    """Does what a verification lacks of a plan, and adds it to its file piece by piece.

    Attributes:
        context: of the run.
        deadline: time.time() after which nothing more is drawn or trained, and before which
            what was drawn from shall be timed.
        passing: numbers of the trials that failed for what may pass, by what was done to them and
            why.
    """

    verification: Verification
    plan: Plan
    context: RunContext
    resources: Resources
    work: Work
    deadline: float | None = None
    passing: dict[tuple[str, str], set[int]] = field(default_factory=dict)

    def score(self, to_score: Round, to_time: Sequence[TrialRecord], on_task: OnTask) -> bool:
        """Score trials, until each has as many of the plan's seeds as are asked for.

        Args:
            to_score: trials, with how many seeds each is to have.
            to_time: trials that time is left for to time them, once they are drawn from.
            on_task: is told what is done.

        Returns:
            Whether there was time for all.
        """
        num_images, num_done = self.plan.num_images, 0
        sound = [(record, count) for record, count in to_score if self._is_sound(record)]
        tasks = [
            (record.number, seed)
            for record, count in sound
            for seed in self._known(record).missing_seeds(replace(self.plan, num_seeds=count))
        ]
        # What has fewer seeds than an interval needs after this round is not timed.
        whole = {record.number for record, count in sound if count >= FEWEST_SEEDS}
        timed = [r for r in to_time if r.number in whole or self._known(r).scores(num_images)]
        work = functools.partial(
            score_one, work=self.work, context=self.context, num_images=num_images
        )

        def is_late() -> bool:
            return self._is_late(self._timing_seconds(timed))

        for (number, seed), outcome in self._run(work, tasks, on_task, is_late):
            num_done += 1
            checked = self._checked(outcome)
            if isinstance(checked, Failure):
                self._fail("scoring", number, checked)
            else:
                scores = self.verification.point(number).seeds.setdefault(num_images, {})
                scores[seed] = checked
            self.verification.save()
        return num_done == len(tasks)

    def time(self, records: Sequence[TrialRecord], on_task: OnTask) -> None:
        """Time the trials that are scored; a deadline would leave times of both kinds.

        One after the other, since trials that run at once slow each other down.
        """
        untimed = self._untimed(records)
        scored = [r for r in untimed if self._known(r).scores(self.plan.num_images)]
        tasks = [record.number for record in scored if self._is_sound(record)]
        work = functools.partial(time_one, work=self.work, context=self.context)
        for number, outcome in self._run(work, tasks, on_task, at_once=1):
            if isinstance(outcome, Failure):
                self._fail("timing", number, outcome)
            else:
                point = self.verification.point(number)
                point.latency_ms = outcome["latency_ms"]
                point.onnx_latency_ms = outcome.get("onnx_latency_ms")
            self.verification.save()

    def train_again(
        self, records: Sequence[TrialRecord], replicates: int, on_task: OnTask
    ) -> None:
        """Train the trials' backbones again with other seeds and score what comes out."""
        work = functools.partial(
            train_group, work=self.work, context=self.context, num_images=self.plan.num_images
        )
        tasks = self._groups(records, replicates)
        for (replicate, group), outcome in self._run(work, tasks, on_task, self._is_late):
            outcomes = dict.fromkeys(group, outcome) if isinstance(outcome, Failure) else outcome
            for number, trained in outcomes.items():
                self._keep_training(number, replicate, self._checked(trained))
            self.verification.save()

    def _untimed(self, records: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Return the trials that are not timed."""
        return [record for record in records if self._known(record).latency_ms is None]

    def _timing_seconds(self, records: Sequence[TrialRecord]) -> float:
        """Return how long it takes to time what has a seed, by what images took in the search."""
        num_images, untimed = self.plan.num_images, self._untimed(records)
        begun = [record for record in untimed if self._known(record).seeds.get(num_images)]
        # Runs of before images were timed know no latency.
        latencies = [(r.scores or {}).get(name, 0.0) for r in begun for name in LATENCIES]
        return TIMED_IMAGES * float(sum(latencies)) / 1000

    def _is_late(self, seconds: float = 0.0) -> bool:
        """Whether the deadline is over once these seconds have passed."""
        return self.deadline is not None and time.time() + seconds >= self.deadline

    def _keep_training(self, number: int, replicate: int, outcome: Scores | Failure) -> None:
        point = self.verification.point(number)
        if not isinstance(outcome, Failure):
            point.trainings.setdefault(self.plan.num_images, {})[replicate] = outcome
        elif outcome.lasting:
            point.failed_trainings[replicate] = outcome.reason
        else:
            self._note("training again", number, outcome)

    def _groups(
        self, records: Sequence[TrialRecord], replicates: int
    ) -> list[tuple[int, dict[int, Recipe]]]:
        """Return what is to be trained again: for each replicate and backbone, its recipes."""
        groups: dict[tuple[int, str], dict[int, Recipe]] = {}
        for record in records:
            if record.recipe is None:
                continue
            for replicate in self._known(record).missing_trainings(self.plan, replicates):
                recipe = _with_seeds(record.recipe, replicate, self.plan)
                group = groups.setdefault((replicate, recipe.backbone_key), {})
                group[record.number] = recipe
        return [(replicate, group) for (replicate, _), group in groups.items()]

    def _is_sound(self, record: TrialRecord) -> bool:
        """Whether a trial's model is still the file that was scored; if not, note it."""
        reason = fault(self.verification.run.folder, record)
        if reason is not None:
            self._note("scoring", record.number, Failure(reason, lasting=False))
        return reason is None

    def _known(self, record: TrialRecord) -> Point:
        return self.verification.known(record.number)

    def _checked(self, outcome: Scores | Failure) -> Scores | Failure:
        """Return an outcome; scores of which no front can be made are a failure that stays."""
        if isinstance(outcome, Failure):
            return outcome
        try:
            return self.verification.checked(outcome)
        except ValueError as error:
            return Failure(str(error), lasting=True)

    def _fail(self, what: str, number: int, failure: Failure) -> None:
        if failure.lasting:
            self.verification.point(number).reason = failure.reason
        else:
            self._note(what, number, failure)

    def _note(self, what: str, number: int, failure: Failure) -> None:
        """Keep a failure that may pass, to be said at the end; no file holds it."""
        self.passing.setdefault((what, failure.reason), set()).add(number)

    def _run(
        self,
        work: Callable[[Any], Any],
        tasks: list[Any],
        on_task: OnTask,
        is_late: Callable[[], bool] = lambda: False,
        at_once: int | None = None,
    ) -> Iterator[tuple[Any, Any]]:
        """Yield each task that was done with its result or its failure."""
        at_once = at_once or self.resources.concurrent_trials
        resources = replace(self.resources, concurrent_trials=at_once)
        on_task(0, len(tasks))
        results = run_tasks(work, tasks, resources, is_late)
        for done, (task, outcome) in enumerate(results, start=1):
            # Of the worker itself, which may have died.
            yield task, Failure.of(outcome) if isinstance(outcome, Exception) else outcome
            on_task(done, len(tasks))


def _with_seeds(recipe: Recipe, replicate: int, plan: Plan) -> Recipe:
    """Return the recipe with another seed of the training, and the first of the verification's.

    With the noise kept, what differs between trainings is theirs alone.
    """
    seed = recipe.training.seed + TRAINING_SEED_STEP * replicate
    return recipe.with_changes({"training.seed": seed, "sampling.seed": plan.seeds[0]})
