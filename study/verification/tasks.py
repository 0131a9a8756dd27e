"""What a verification does to a trial, in a worker: draw from it, time it, train it again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from diffusion.compress.package import PACKAGE_NAME
from diffusion.errors import (
    InfeasibleRecipe,
    MetricUndefined,
    PackageError,
    PackageUnreachable,
    TrainingDiverged,
)
from diffusion.recipe import Recipe
from study.evaluation import scoring
from study.evaluation.context import Evaluate, RunContext, TrialContext
from study.results.objectives import Scores

# They stay, however often a file is scored or a recipe is trained.
LASTING = (PackageError, MetricUndefined, TrainingDiverged, InfeasibleRecipe)
Rescore = Callable[[Path, int, RunContext], Scores]
RescoreLatency = Callable[[Path, RunContext], float]


@dataclass(frozen=True)
class Work:
    """How trials are trained, scored and timed; all of it is called in workers.

    Attributes:
        evaluate: trains and scores a recipe.
        rescore: draws from a trial's model again and scores that.
        rescore_latency: times a trial's model.
    """

    evaluate: Evaluate
    rescore: Rescore = scoring.rescore
    rescore_latency: RescoreLatency = scoring.rescore_latency

    @classmethod
    def of(
        cls, evaluate: Evaluate, rescore: Rescore | None, rescore_latency: RescoreLatency | None
    ) -> Self:
        """Return what may be another than ours in tests; None stands for ours."""
        ours = cls(evaluate)
        return replace(
            ours,
            rescore=rescore or ours.rescore,
            rescore_latency=rescore_latency or ours.rescore_latency,
        )


@dataclass(frozen=True)
class Failure:
    """Why a task has no result, in one line, and whether it would fail again."""

    reason: str
    lasting: bool

    @classmethod
    def of(cls, error: Exception) -> Self:
        """Return an error as a failure."""
        message = " ".join(str(error).split())
        lasting = isinstance(error, LASTING) and not isinstance(error, PackageUnreachable)
        return cls(f"{type(error).__name__}: {message}", lasting)


def score_one(task: tuple[int, int], work: Work, context: RunContext, num_images: int) -> Scores:
    """Score a trial's model, given by number and seed of the noise."""
    number, seed = task
    drawn = replace(context, fid_num_images=num_images)
    return work.rescore(context.trials_dir / str(number), seed, drawn)


def time_one(number: int, work: Work, context: RunContext) -> Scores:
    """Return the milliseconds an image that a trial's model takes, by the names of scores."""
    folder = context.trials_dir / str(number)
    timed = {"latency_ms": work.rescore_latency(folder, context)}
    return {**timed, **scoring.time_onnx(folder / PACKAGE_NAME, context)}


def train_group(
    task: tuple[int, dict[int, Recipe]], work: Work, context: RunContext, num_images: int
) -> dict[int, Scores | Failure]:
    """Evaluate recipes that share a backbone, one after the other, so that it is trained once.

    Args:
        task: the replicate, and its recipes by the trials' numbers.
    """
    replicate, recipes = task
    drawn = replace(context, fid_num_images=num_images)
    folder = context.trials_dir.parent / "replicates"
    outcomes: dict[int, Scores | Failure] = {}
    for number, recipe in recipes.items():
        try:
            trial = TrialContext(drawn, folder / f"{number}-{replicate}")
            outcomes[number] = work.evaluate(recipe, trial)
        except Exception as error:  # the others of the group may come out well
            outcomes[number] = Failure.of(error)
    return outcomes
