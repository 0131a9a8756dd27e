"""The work of a verification: models drawn from again, timed alone, and trained again."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from diffusion.errors import MetricUndefined, PackageError
from diffusion.recipe import Recipe
from study.cluster.resources import Resources
from study.cluster.tasks import run_tasks
from study.display.progress import OnTask
from study.evaluation.context import Evaluate, RunContext, TrialContext
from study.evaluation.scoring import rescore, rescore_latency
from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.verification.file import Plan, Verification

TRAINING_SEED_STEP = 1_000
MODEL_FAULTS = (PackageError, MetricUndefined)  # They stay, however often a file is scored.
Rescore = Callable[[Path, int, RunContext], Scores]
RescoreLatency = Callable[[Path, RunContext], float]


@dataclass(frozen=True)
class Verifier:
    """Runs what a verification lacks, and adds it to its file piece by piece.

    Attributes:
        context: of the run.
        evaluate: trains and scores a recipe, for the front trained again.
        deadline: time.time() after which nothing more is drawn or trained.
    """

    verification: Verification
    context: RunContext
    resources: Resources
    evaluate: Evaluate
    rescore: Rescore = rescore
    rescore_latency: RescoreLatency = rescore_latency
    deadline: float | None = None

    def score(self, records: Sequence[TrialRecord], on_task: OnTask) -> None:
        """Score the trials with all their seeds, then their latency, one after the other."""
        tasks = [(r.number, s) for r in records for s in self.verification.missing_seeds(r.number)]
        work = functools.partial(_score, rescore=self.rescore, context=self._context)
        for (number, seed), outcome in self._run(work, tasks, on_task, self.deadline):
            point = self.verification.point(number)
            if isinstance(outcome, MODEL_FAULTS):
                point.reason = f"{type(outcome).__name__}: {outcome}"
            else:
                point.seeds[seed] = _result(outcome, f"scoring trial {number} again")
            self.verification.save()
        scored = [r.number for r in records if not self.verification.missing_seeds(r.number)]
        self._time([n for n in scored if self.verification.point(n).reason is None], on_task)

    def train_again(
        self, records: Sequence[TrialRecord], replicates: int, on_task: OnTask
    ) -> None:
        """Train the trials' backbones again with other seeds and score what comes out."""
        groups: dict[tuple[int, str], dict[int, Recipe]] = {}
        for record in records:
            for replicate in range(1, replicates + 1):
                if record.recipe is None or replicate in self._trainings(record.number):
                    continue
                recipe = _with_seeds(record.recipe, replicate, self.verification.plan)
                group = groups.setdefault((replicate, recipe.backbone_key), {})
                group[record.number] = recipe
        tasks = [(replicate, group) for (replicate, _), group in groups.items()]
        work = functools.partial(_train_again, evaluate=self.evaluate, context=self._context)
        for (replicate, _), outcome in self._run(work, tasks, on_task, self.deadline):
            for number, scores in _result(outcome, "training the front again").items():
                self._trainings(number)[replicate] = scores
            self.verification.save()

    def _trainings(self, number: int) -> dict[int, Scores]:
        return self.verification.point(number).trainings

    @property
    def _context(self) -> RunContext:
        return replace(self.context, fid_num_images=self.verification.plan.num_images)

    def _time(self, numbers: list[int], on_task: OnTask) -> None:
        """Time the trials one after the other; a deadline would leave times of both kinds."""
        lacking = [n for n in numbers if self.verification.point(n).latency_ms is None]
        work = functools.partial(
            _time_one, rescore_latency=self.rescore_latency, context=self.context
        )
        for number, outcome in self._run(work, lacking, on_task, None, at_once=1):
            point = self.verification.point(number)
            point.latency_ms = _result(outcome, f"timing trial {number}")
            self.verification.save()

    def _run(
        self,
        work: Callable[[Any], Any],
        tasks: list[Any],
        on_task: OnTask,
        deadline: float | None,
        at_once: int | None = None,
    ) -> Iterator[tuple[Any, Any]]:
        at_once = at_once or self.resources.concurrent_trials
        resources = replace(self.resources, concurrent_trials=at_once)
        results = run_tasks(work, tasks, resources, deadline)
        for done, (task, outcome) in enumerate(results, start=1):
            yield task, outcome
            on_task(done, len(tasks))


def _score(task: tuple[int, int], rescore: Rescore, context: RunContext) -> Scores:
    number, seed = task
    return rescore(context.trials_dir / str(number), seed, context)


def _time_one(number: int, rescore_latency: RescoreLatency, context: RunContext) -> float:
    return rescore_latency(context.trials_dir / str(number), context)


def _train_again(
    task: tuple[int, dict[int, Recipe]], evaluate: Evaluate, context: RunContext
) -> dict[int, Scores]:
    """Evaluate recipes that share a backbone, one after the other, so that it is trained once."""
    replicate, recipes = task
    folder = context.trials_dir.parent / "replicates"
    return {
        number: evaluate(recipe, TrialContext(context, folder / f"{number}-{replicate}"))
        for number, recipe in recipes.items()
    }


def _result(outcome: Any, work: str) -> Any:
    """Return a task's result; what is no fault of the model ends the verification."""
    if isinstance(outcome, Exception):
        raise ValueError(f"{work} failed: {outcome}") from outcome
    return outcome


def _with_seeds(recipe: Recipe, replicate: int, plan: Plan) -> Recipe:
    """Return the recipe with another seed of the training, and the first of the verification's.

    With the noise kept, what differs between trainings is theirs alone.
    """
    seed = recipe.training.seed + TRAINING_SEED_STEP * replicate
    return recipe.with_changes({"training.seed": seed, "sampling.seed": plan.seeds[0]})
