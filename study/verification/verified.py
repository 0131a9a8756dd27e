"""Verified scores: what a verification's seeds say together of each trial."""

import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from study.results.limits import over_limits
from study.results.objectives import Scores, cost
from study.results.records import TrialRecord
from study.run.run import Run
from study.verification.confidence import NOISY, front_probabilities, mean_intervals
from study.verification.file import Point, Verification
from study.verification.repeats import Measured


def verified_run(run: Run) -> Run:
    """Return a run with verified scores, if all of the search's front have such.

    Scores of few images and of many do not compare, so a front is made of one kind alone: what
    was within reach and is not verified cannot be on a verified one.
    """
    verification = Verification.load(run.folder)
    return apply(verification, run) if verification and covers(verification, run) else run


def judged(verification: Verification, run: Run) -> Run:
    """Return a run where verified scores alone say which limits a trial exceeds."""

    def judge(record: TrialRecord) -> TrialRecord:
        if not verification.scored(record.number):
            return record
        scores = _verified_scores(record, verification.points[record.number])
        reason = over_limits(scores, run.limits)
        return replace(record, feasible=reason is None, reason=reason)

    return run.with_records(map(judge, run.records))


def covers(verification: Verification, run: Run) -> bool:
    """Whether every trial on the search's front has all its seeds.

    One that turned out to be over a limit is not on it, and what it kept off is.
    """
    front = judged(verification, run).front()
    return all(not verification.missing_seeds(record.number) for record in front)


def apply(verification: Verification, run: Run) -> Run:
    """Return a run with verified scores in place of the search's, judged by them."""
    seen = judged(verification, run)
    scored = [record for record in seen.records if verification.scored(record.number)]
    # What is over a limit keeps nothing off the front.
    rivals = [record for record in scored if record.feasible]
    measured = [
        [_costs(verification.points[r.number], name, r.scores or {}) for name in run.objectives]
        for r in rivals
    ]
    chances = dict(zip([r.number for r in rivals], front_probabilities(measured), strict=True))
    intervals = _intervals(verification, [record.number for record in scored])

    def with_verified_scores(record: TrialRecord) -> TrialRecord:
        if not verification.scored(record.number):
            return record
        scores = _verified_scores(record, verification.points[record.number])
        interval, chance = intervals[record.number], chances.get(record.number, 0.0)
        return replace(record, scores={**scores, **interval, "front_probability": chance})

    return seen.with_records(map(with_verified_scores, seen.records))


def _intervals(verification: Verification, numbers: Sequence[int]) -> dict[int, Scores]:
    """Return the ends of each trial's interval of the FID."""
    measured = [_costs(verification.points[number], "fid", {}) for number in numbers]
    return {
        number: {"fid_low": max(low, 0.0), "fid_high": high}
        for number, (_, low, high) in zip(numbers, mean_intervals(measured), strict=True)
    }


def _costs(point: Point, name: str, scores: Scores) -> Measured:
    """Return an objective's measured values, to be minimised: one a seed, or one that is exact."""
    if name == "latency_ms" and point.latency_ms is not None:
        return point.latency_ms
    if name not in NOISY:
        return cost(name, scores[name])
    return {seed: cost(name, values[name]) for seed, values in point.seeds.items()}


def _verified_scores(record: TrialRecord, point: Point) -> Scores:
    """Return a trial's scores with the means over its seeds."""
    runs = [scores for _, scores in sorted(point.seeds.items())]
    measured = {name: _together([scores[name] for scores in runs]) for name in runs[0]}
    return {
        **(record.scores or {}),
        **measured,
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
