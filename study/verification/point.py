"""Points: what a verification asks of a trial, and what is known of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from study.results.objectives import LATENCIES, Scores, objective_values

FIRST_SEED = 1_000  # Not a trial's own: its noise helped to choose the front.
SEED_STEP = 10
FEWEST_SEEDS = 3
DEFAULT_IMAGES = 10_000  # where a verification is asked for by itself


@dataclass(frozen=True)
class Plan:
    """What a verification asks for; what is there already at this number of images counts.

    Attributes:
        num_images: drawn for each seed.
        num_seeds: each starts the images from other noise.
    """

    num_images: int
    num_seeds: int = FEWEST_SEEDS

    @property
    def seeds(self) -> list[int]:
        """The seeds of the noise; those of a plan of fewer begin it."""
        return [FIRST_SEED + SEED_STEP * position for position in range(self.num_seeds)]


@dataclass
class Point:
    """What is known of one trial.

    Attributes:
        seeds: its scores by number of images and seed of the noise.
        latency_ms: an image, measured with nothing else running.
        onnx_latency_ms: the same in onnxruntime, where the study asks for it.
        trainings: by number of images and replicate, the scores of what came out of another seed
            of the training.
        failed_trainings: by replicate, why no model comes out of it.
        reason: why the model cannot be scored.
    """

    seeds: dict[int, dict[int, Scores]] = field(default_factory=dict)
    latency_ms: float | None = None
    trainings: dict[int, dict[int, Scores]] = field(default_factory=dict)
    failed_trainings: dict[int, str] = field(default_factory=dict)
    reason: str | None = None
    onnx_latency_ms: float | None = None

    def scores(self, num_images: int) -> dict[int, Scores]:
        """Return its scores of so many images by seed; none where the seeds are too few."""
        found = {} if self.reason else self.seeds.get(num_images, {})
        return dict(sorted(found.items())) if len(found) >= FEWEST_SEEDS else {}

    def latencies(self) -> Scores:
        """Return what was measured with nothing else running, by the names of scores."""
        found = {name: getattr(self, name) for name in LATENCIES}
        return {name: value for name, value in found.items() if value is not None}

    def missing_seeds(self, plan: Plan) -> list[int]:
        """Return the seeds of a plan that it has no scores for, and could have."""
        known = self.seeds.get(plan.num_images, {})
        return [] if self.reason else [seed for seed in plan.seeds if seed not in known]

    def missing_trainings(self, plan: Plan, replicates: int) -> list[int]:
        """Return which of so many replicates have no scores, and could have."""
        known = {*self.trainings.get(plan.num_images, {}), *self.failed_trainings}
        return [replicate for replicate in range(1, replicates + 1) if replicate not in known]


def read_point(values: Mapping[str, Any], check: Callable[[Scores], Scores]) -> Point:
    """Return a point as its file holds it; JSON has no numbers for keys.

    Args:
        check: returns scores that are whole, and raises for others.

    Raises:
        TypeError, AttributeError, ValueError: it is not as we write it.
    """
    point = Point(**values)
    for kind in ("seeds", "trainings"):
        by_images = {
            int(num_images): {int(key): check(scores) for key, scores in found.items()}
            for num_images, found in getattr(point, kind).items()
        }
        setattr(point, kind, by_images)
    point.failed_trainings = {int(n): why for n, why in point.failed_trainings.items()}
    objective_values(vars(point), tuple(point.latencies()))
    return point


def of_one_plan(values: Mapping[str, Any], num_images: int) -> dict[str, Any]:
    """Return the values of a point whose scores are all of one number of images, in our form."""
    kinds = ("seeds", "trainings")
    known = {kind: {num_images: values[kind]} if values[kind] else {} for kind in kinds}
    return {**values, **known}
