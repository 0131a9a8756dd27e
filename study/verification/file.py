"""Verification: the trials near the front scored again, with more images and several seeds.

RUN/verified.json holds the conditions and, for each trial, the scores of every seed. It is
written anew after each of them, so that nothing is lost when a verification is cut off.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from study.results.objectives import Scores
from study.run.files import write_json

FORMAT_VERSION = 1
FILE_NAME = "verified.json"
FIRST_SEED = 1_000  # Not a trial's own: its noise helped to choose the front.
SEED_STEP = 10
FEWEST_SEEDS = 3


@dataclass(frozen=True)
class Plan:
    """How sure a verification is to be.

    Attributes:
        num_images: drawn for each seed.
        num_seeds: each starts the images from other noise.
    """

    num_images: int
    num_seeds: int = FEWEST_SEEDS

    @property
    def seeds(self) -> list[int]:
        """The seeds of the noise."""
        return [FIRST_SEED + SEED_STEP * position for position in range(self.num_seeds)]


@dataclass
class Point:
    """What a verification knows of one trial.

    Attributes:
        seeds: for each seed its scores.
        latency_ms: an image, measured with nothing else running.
        trainings: for each other seed of the training, the scores of what came out.
        reason: why it could not be scored.
    """

    seeds: dict[int, Scores] = field(default_factory=dict)
    latency_ms: float | None = None
    trainings: dict[int, Scores] = field(default_factory=dict)
    reason: str | None = None


@dataclass
class Verification:
    """The verification of a run, as its file holds it."""

    path: Path
    plan: Plan
    points: dict[int, Point] = field(default_factory=dict)

    @classmethod
    def new(cls, run_dir: Path, plan: Plan) -> Self:
        """Return an empty verification of a run; nothing is written yet."""
        return cls(run_dir / FILE_NAME, plan)

    @classmethod
    def load(cls, run_dir: Path) -> Self | None:
        """Read a run's verification; None where there is none.

        Raises:
            ValueError: the file is damaged or of another format.
        """
        path = run_dir / FILE_NAME
        try:
            values = json.loads(path.read_text())
            if values["format"] != FORMAT_VERSION:
                raise ValueError(f"format {values['format']!r}; allowed: {FORMAT_VERSION}")
            points = {int(number): _as_point(point) for number, point in values["points"].items()}
            plan = Plan(values["num_images"], values["num_seeds"])
            return cls(path, plan, points)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path} cannot be read ({error}); delete it to verify anew"
            ) from error

    def save(self) -> None:
        """Write the file, aside and then renamed."""
        content = {
            "format": FORMAT_VERSION,
            "num_images": self.plan.num_images,
            "num_seeds": self.plan.num_seeds,
            "points": {number: vars(point) for number, point in sorted(self.points.items())},
        }
        write_json(self.path, content)

    def save_points(self, trials_dir: Path) -> None:
        """Write what is known of each trial into its folder, from where the front copies it."""
        for number, point in self.points.items():
            content = {"num_images": self.plan.num_images, **vars(point)}
            write_json(trials_dir / str(number) / FILE_NAME, content)

    def point(self, number: int) -> Point:
        """Return what is known of a trial, to be added to."""
        return self.points.setdefault(number, Point())

    def missing_seeds(self, number: int) -> list[int]:
        """Return the seeds that a trial has no scores for."""
        point = self.points.get(number, Point())
        return [] if point.reason else [s for s in self.plan.seeds if s not in point.seeds]

    def scored(self, number: int) -> bool:
        """Whether a trial has the scores of all its seeds."""
        known = number in self.points and self.points[number].reason is None
        return known and not self.missing_seeds(number)


def _as_point(values: Mapping[str, Any]) -> Point:
    point = Point(**values)
    for name in ("seeds", "trainings"):
        scores = {int(seed): scores for seed, scores in getattr(point, name).items()}
        setattr(point, name, scores)
    return point
