"""Verification: the trials near the front scored again, with more images and several seeds.

RUN/verified.json holds the conditions and, for each trial, the scores of every seed. It is
written anew after each of them, so that nothing is lost when a verification is cut off.
"""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from study.confidence import NOISY, front_probabilities, mean_interval
from study.files import write_json
from study.front import front_records
from study.records import Scores, TrialRecord, cost, over_limits

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

    def judged(
        self, records: Sequence[TrialRecord], limits: Mapping[str, float]
    ) -> list[TrialRecord]:
        """Return the records, where verified scores alone say which limits a trial exceeds."""
        return [self._judged(r, limits) if self.scored(r.number) else r for r in records]

    def _judged(self, record: TrialRecord, limits: Mapping[str, float]) -> TrialRecord:
        reason = over_limits(_verified_scores(record, self.points[record.number]), limits)
        return replace(record, feasible=reason is None, reason=reason)

    def covers(
        self,
        records: Sequence[TrialRecord],
        objectives: tuple[str, ...],
        limits: Mapping[str, float],
    ) -> bool:
        """Whether every trial on the search's front has all its seeds.

        One that turned out to be over a limit is not on it, and what it kept off is.
        """
        front = front_records(self.judged(records, limits), objectives)
        return all(not self.missing_seeds(record.number) for record in front)

    def apply(
        self,
        records: Sequence[TrialRecord],
        objectives: tuple[str, ...],
        limits: Mapping[str, float],
    ) -> list[TrialRecord]:
        """Return the records with verified scores in place of the search's, judged by them."""
        judged = self.judged(records, limits)
        # What is over a limit keeps nothing off the front.
        rivals = [r for r in judged if self.scored(r.number) and r.feasible]
        measured = [
            [_costs(self.points[r.number], name, r.scores or {}) for name in objectives]
            for r in rivals
        ]
        chances = dict(zip([r.number for r in rivals], front_probabilities(measured), strict=True))
        return [
            self._verified(r, chances.get(r.number, 0.0)) if self.scored(r.number) else r
            for r in judged
        ]

    def _verified(self, record: TrialRecord, chance: float) -> TrialRecord:
        scores = _verified_scores(record, self.points[record.number])
        return replace(record, scores={**scores, "front_probability": chance})


def verified_records(
    run_dir: Path,
    records: Sequence[TrialRecord],
    objectives: tuple[str, ...],
    limits: Mapping[str, float],
) -> list[TrialRecord]:
    """Return the records with verified scores, if all of the search's front have such.

    Scores of few images and of many do not compare, so a front is made of one kind alone: what
    was within reach and is not verified cannot be on a verified one.
    """
    verification = Verification.load(run_dir)
    if verification is None or not verification.covers(records, objectives, limits):
        return list(records)
    return verification.apply(records, objectives, limits)


def _as_point(values: Mapping[str, Any]) -> Point:
    point = Point(**values)
    for name in ("seeds", "trainings"):
        scores = {int(seed): scores for seed, scores in getattr(point, name).items()}
        setattr(point, name, scores)
    return point


def _costs(point: Point, name: str, scores: Scores) -> list[float]:
    """Return an objective's measured values, to be minimised: one a seed, or one that is exact."""
    if name == "latency_ms" and point.latency_ms is not None:
        return [point.latency_ms]
    measured = point.seeds.values() if name in NOISY else [scores]
    return [cost(name, values[name]) for values in measured]


def _verified_scores(record: TrialRecord, point: Point) -> Scores:
    """Return a trial's scores with the means over its seeds, and how sure they are."""
    runs = [scores for _, scores in sorted(point.seeds.items())]
    measured = {name: _together([scores[name] for scores in runs]) for name in runs[0]}
    _, low, high = mean_interval([scores["fid"] for scores in runs])
    return {
        **(record.scores or {}),
        **measured,
        "fid_low": max(low, 0.0),
        "fid_high": high,
        "verified_seeds": len(runs),
        **({} if point.latency_ms is None else {"latency_ms": point.latency_ms}),
        **_training_spread(point),
    }


def _together(values: Sequence[Any]) -> Any:
    """Return the mean of measured numbers, what all agree on, or None."""
    if all(isinstance(value, float) for value in values):
        return statistics.fmean(values)
    return values[0] if all(value == values[0] for value in values) else None


def _training_spread(point: Point) -> Scores:
    """Return the deviation of the FID over trainings, beside that over samples."""
    if not point.trainings:
        return {}
    runs = [min(point.seeds.items())[1], *point.trainings.values()]
    return {
        "trainings": len(runs),
        "fid_trainings_mean": statistics.fmean(scores["fid"] for scores in runs),
        "fid_trainings_deviation": statistics.stdev(scores["fid"] for scores in runs),
        "fid_samples_deviation": statistics.stdev(s["fid"] for s in point.seeds.values()),
    }
