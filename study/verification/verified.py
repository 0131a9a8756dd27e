"""Verified scores: what a verification's seeds say together of each trial."""

import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from study.results.objectives import LATENCIES, Scores, cost
from study.results.records import TrialRecord
from study.results.rows import SEARCHED, TIMED_ALONE
from study.run.run import Run
from study.verification.confidence import NOISY, front_probabilities, mean_intervals
from study.verification.file import Verification
from study.verification.point import Point
from study.verification.repeats import Measured


def verified_run(verification: Verification) -> Run:
    """Return a run with verified scores, if all of the search's front have such.

    Scores of few images and of many do not compare, so a front is made of one kind alone: what
    was within reach and is not verified cannot be on a verified one.
    """
    num_images = front_images(verification)
    return verification.run if num_images is None else apply(verification, num_images)


def front_images(verification: Verification) -> int | None:
    """Return the most images of which a front can be made; None where it is the search's."""
    counts = {count for point in verification.points.values() for count in point.seeds}
    return max((count for count in counts if covers(verification, count)), default=None)


def covers(verification: Verification, num_images: int) -> bool:
    """Whether every trial on the search's front has enough seeds of so many images.

    One that turned out to be over a limit or unreadable is not on it, and what it kept off is.
    """
    front = judged(verification, num_images).front()
    return all(verification.known(record.number).scores(num_images) for record in front)


def judged(verification: Verification, num_images: int) -> Run:
    """Return a run where verified scores of so many images say which limits a trial exceeds."""

    def judge(record: TrialRecord) -> TrialRecord:
        if record.state != "complete":  # a torn journal may have lost what was one
            return record
        if reason := verification.known(record.number).reason:
            return replace(record, state="failed", reason=reason)
        if not verification.known(record.number).scores(num_images):
            return record
        return verification.run.judged(record, _together(record, verification, num_images))

    return verification.run.with_records(map(judge, verification.run.records))


def apply(verification: Verification, num_images: int) -> Run:
    """Return a run with verified scores of so many images, judged by them."""
    chances = _chances(verification, num_images)
    intervals = _intervals(verification, num_images)

    def with_verified_scores(record: TrialRecord) -> TrialRecord:
        if record.number not in intervals:
            return record
        scores = _together(record, verification, num_images) | intervals[record.number]
        chance = chances.get(record.number, 0.0)
        return replace(record, scores={**scores, "front_probability": chance})

    seen = judged(verification, num_images)
    return seen.with_records(map(with_verified_scores, seen.records))


def _chances(verification: Verification, num_images: int) -> dict[int, float]:
    """Return how probably each trial is on the front; what is over a limit is no rival."""
    rivals = [r for r in _scored(verification, num_images) if r.feasible]
    names = verification.run.objectives
    measured = [
        [_measured(record, name, verification, num_images) for name in names] for record in rivals
    ]
    numbers = [record.number for record in rivals]
    return dict(zip(numbers, front_probabilities(measured), strict=True))


def _intervals(verification: Verification, num_images: int) -> dict[int, Scores]:
    """Return the ends of each trial's interval of the FID."""
    scored = _scored(verification, num_images)
    measured = [_measured(record, "fid", verification, num_images) for record in scored]
    return {
        record.number: {"fid_low": max(low, 0.0), "fid_high": high}
        for record, (_, low, high) in zip(scored, mean_intervals(measured), strict=True)
    }


def _scored(verification: Verification, num_images: int) -> list[TrialRecord]:
    """Return the trials that have enough seeds of so many images, as these judge them."""
    records = judged(verification, num_images).records
    complete = [record for record in records if record.state == "complete"]
    return [r for r in complete if verification.known(r.number).scores(num_images)]


def _measured(
    record: TrialRecord, name: str, verification: Verification, num_images: int
) -> Measured:
    """Return an objective's measured values, to be minimised: by seed, or one that is exact."""
    if name not in NOISY:
        return cost(name, _together(record, verification, num_images)[name])
    found = verification.known(record.number).scores(num_images)
    return {seed: cost(name, scores[name]) for seed, scores in found.items()}


def _together(record: TrialRecord, verification: Verification, num_images: int) -> Scores:
    """Return a trial's scores with the means over its seeds."""
    point = verification.known(record.number)
    runs = list(point.scores(num_images).values())
    searched = record.scores or {}
    return {
        **searched,
        SEARCHED: {name: searched[name] for name in (*runs[0], *LATENCIES) if name in searched},
        **{name: _mean([scores.get(name) for scores in runs]) for name in runs[0]},
        "verified_seeds": len(runs),
        **point.latencies(),
        **({} if point.latency_ms is None else {TIMED_ALONE: True}),
        **_training_spread(point),
    }


def _mean(values: Sequence[Any]) -> Any:
    """Return the mean of measured numbers, what all agree on, or None."""
    if all(isinstance(value, float) for value in values):
        return statistics.fmean(values)
    return values[0] if all(value == values[0] for value in values) else None


def _training_spread(point: Point) -> Scores:
    """Return the deviation of the FID over trainings, beside that over samples.

    Both are of one number of images, the largest with which a training was drawn from; it was
    with the first seed.
    """
    counts = [count for count, found in point.trainings.items() if found and point.scores(count)]
    if not counts:
        return {}
    runs = list(point.scores(max(counts)).values())
    fids = [scores["fid"] for scores in (runs[0], *point.trainings[max(counts)].values())]
    return {
        "trainings": len(fids),
        "fid_trainings_mean": statistics.fmean(fids),
        "fid_trainings_deviation": statistics.stdev(fids),
        "fid_samples_deviation": statistics.stdev(scores["fid"] for scores in runs),
    }
