"""How a study came along: the hypervolume of its front after each trial."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from study.results.objectives import OBJECTIVES, cost
from study.results.records import TrialRecord
from study.results.rows import SEARCHED

NUM_PLACES = 2**14
PLACES_SEED = 0


def hypervolumes(costs: np.ndarray) -> np.ndarray:
    """Return the hypervolume of every beginning of a sequence of points.

    It is the share that they dominate of the box between the lowest and the highest costs of all,
    by Monte Carlo over places in that box, which are the same for all: it never falls.

    Args:
        costs: [points, objectives], all minimised, in the order in which they came.

    Returns:
        [points], from 0 to 1.
    """
    low, high = costs.min(axis=0), costs.max(axis=0)
    scaled = (costs - low) / np.where(high > low, high - low, 1.0)
    generator = np.random.default_rng(PLACES_SEED)
    places = generator.uniform(size=(NUM_PLACES, costs.shape[1]))
    shares = []
    for point in scaled:
        places = places[(places < point).any(axis=1)]
        shares.append(1 - len(places) / NUM_PLACES)
    return np.array(shares)


def course_of(records: Sequence[TrialRecord], objectives: tuple[str, ...]) -> dict[str, Any]:
    """Return the course of a study, by the search's own figures.

    Args:
        records: of its trials.
        objectives: names of the scores that it minimises or maximises.

    Returns:
        `steps`, after each ended trial how many ended so far, the seconds since the first began,
        and the hypervolume; and `why`, where there are none.
    """
    ended = sorted((r for r in records if r.end_time is not None and r.finished), key=_end)
    useful = [r for r in ended if r.state == "complete" and r.feasible and r.scores]
    if len(useful) < 2:
        return {"steps": [], "why": "fewer than two trials are complete and keep to the limits"}
    costs = np.array([[_scaled(r, name) for name in objectives] for r in useful])
    volume = dict(zip((r.number for r in useful), hypervolumes(costs), strict=True))
    start = min(r.start_time or _end(r) for r in ended)
    steps, last = [], 0.0
    for count, record in enumerate(ended, start=1):
        last = float(volume.get(record.number, last))
        steps.append([count, round(_end(record) - start, 1), round(last, 4)])
    return {"steps": steps, "why": None}


def _end(record: TrialRecord) -> float:
    return record.end_time or 0.0


def _scaled(record: TrialRecord, name: str) -> float:
    """Return a trial's cost in an objective, by its logarithm where it is no share."""
    scores = record.scores or {}
    value = float({**scores, **(scores.get(SEARCHED) or {})}[name])
    if OBJECTIVES[name].unit == "share" or value <= 0:
        return cost(name, value)
    return math.log(value)
