"""The course of a search: what its trials reached when, and what each was worth."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from benchmarks.hypervolume import Moment, hypervolume
from study.results.dominance import non_dominated
from study.results.records import TrialRecord

Course = list[Moment]
Point = tuple[float, float]  # FID and bytes
NEAR = 1.1  # Up to so many times the FID and the bytes of a point of the front is near it.
KNOWN_BACKBONES = 2  # Trials count from when so many have a complete one, or were stopped early.


@dataclass(frozen=True)
class Trial:
    """When a trial ran, in seconds since its search began, and what came of it.

    Attributes:
        point: of a complete trial.
        backbone_key: of its recipe; None where that is not known.
        is_noise: whether a complete trial's FID is no better than that of noise.
    """

    begin: float
    end: float
    trained_images: int
    point: Point | None
    backbone_key: str | None = None
    is_noise: bool = False

    @classmethod
    def of(cls, record: TrialRecord, trial: FrozenTrial, start: float) -> "Trial":
        """Return an ended trial of a study that began at `start`, in seconds since 1970."""
        if trial.datetime_start is None or trial.datetime_complete is None:
            raise ValueError(f"trial {record.number} has no times; allowed: one that ended")
        scores = record.scores
        return cls(
            trial.datetime_start.timestamp() - start,
            trial.datetime_complete.timestamp() - start,
            record.trained_images,
            (scores["fid"], scores["size_bytes"]) if scores else None,
            record.recipe.backbone_key if record.recipe else None,
            is_noise=bool(scores) and not record.feasible,
        )


@dataclass(frozen=True)
class Worth:
    """What came of the trials that began once two backbones were known.

    Attributes:
        count: how many they are, those that were stopped early or failed among them.
        noise: how many of them have an FID no better than that of noise.
        useful: how many improve the hypervolume, or lie within 10 % of a point of the front then.
    """

    count: int
    noise: int
    useful: int


def course(trials: Sequence[Trial]) -> Course:
    """Return the course of a search: a moment at the end of each of its trials.

    What a trial trains on counts from its begin on, so that no search is spared what it trains
    just then.
    """
    moments, points = [], []
    for trial in sorted(trials, key=lambda trial: trial.end):
        points += [trial.point] if trial.point else []
        images = sum(other.trained_images for other in trials if other.begin <= trial.end)
        moments.append(Moment(trial.end, images, hypervolume(points)))
    return moments


def trained_by(trials: Sequence[Trial], seconds: float) -> int:
    """Return how many images a search had trained on at a moment.

    A trial trains evenly from its begin to its end, as far as is known: one with a training hardly
    does anything else.
    """
    shares = (
        (trial, (seconds - trial.begin) / max(trial.end - trial.begin, 1e-9)) for trial in trials
    )
    return round(sum(min(max(share, 0.0), 1.0) * t.trained_images for t, share in shares))


def worth(trials: Sequence[Trial]) -> Worth:
    """Return what came of the trials that began once two backbones had a trial that ended."""
    in_order = sorted(trials, key=lambda trial: trial.end)
    known = _known_since(in_order)
    following = [trial for trial in in_order if trial.begin >= known]
    noise = sum(trial.is_noise for trial in following)
    return Worth(len(following), noise, sum(_is_useful(t, in_order) for t in following))


def _known_since(in_order: Sequence[Trial]) -> float:
    ends: dict[str | None, float] = {}
    for trial in in_order:
        is_stopped = trial.point is None and trial.trained_images > 0
        if is_stopped or (trial.point and not trial.is_noise):
            ends.setdefault(trial.backbone_key, trial.end)
    return next(itertools.islice(ends.values(), KNOWN_BACKBONES - 1, None), float("inf"))


def _is_useful(trial: Trial, in_order: Sequence[Trial]) -> bool:
    if trial.point is None or trial.is_noise:
        return False
    before = [t.point for t in in_order if t.end < trial.end and t.point and not t.is_noise]
    fid, size_bytes = trial.point
    front = [before[position] for position in non_dominated(before)]
    near = any(fid <= NEAR * f and size_bytes <= NEAR * s for f, s in front)
    return near or hypervolume([*before, trial.point]) > hypervolume(before)
