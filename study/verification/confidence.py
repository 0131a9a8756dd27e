"""How sure a front is: which trials might be on it, and how probable that is."""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np

from study.results.dominance import dominates
from study.results.objectives import LATENCIES, Scores, costs
from study.results.records import TrialRecord
from study.verification.repeats import CONFIDENCE, Measured, Repeats, draw_jointly

# Objectives that another draw of images would change; latencies that another moment would.
SHARES = ("label_agreement", "precision", "recall")  # of so many images
NOISY = ("fid", "fid_held_out", "fid_infinity", "kid", *SHARES)
LATENCY_MARGIN = 0.25
DRAWS = 4_000
DRAW_SEED = 0


def within_reach(records: Sequence[TrialRecord], objectives: tuple[str, ...]) -> list[TrialRecord]:
    """Return the complete trials that may be on the front as far as their scores can tell.

    Those over a limit are not: they neither are on it nor keep others from it.
    One is out of reach when another one is as good in every objective and better in one, by more
    than chance may make it seem: by the margin of their difference, the root of the sum of the
    squares of both 95 % margins, as of independent errors.
    """
    complete = [r for r in records if r.state == "complete" and r.feasible and r.scores]
    if not complete:
        return []
    measured = [_costs_and_margins(record.scores or {}, objectives) for record in complete]
    values, margins = (np.array(parts) for parts in zip(*measured, strict=True))
    return [
        record
        for record, own, margin in zip(complete, values, margins, strict=True)
        if not dominates(values + np.hypot(margins, margin), own).any()
    ]


def mean_intervals(measured: Sequence[Measured]) -> list[tuple[float, float, float]]:
    """Return the mean of each point's repeated measurements and its 95 % interval.

    Student's t, with the variance and the degrees of freedom that all the points together leave
    it; those of one point alone are its own.

    Raises:
        ValueError: a point has fewer than two seeds, or a value is not finite.
    """
    return Repeats.of(measured, _seeds([measured])).intervals() if measured else []


def front_probabilities(measured: Sequence[Sequence[Measured]], draws: int = DRAWS) -> list[float]:
    """Estimate how probable it is that each point is on the front of the true values.

    The true values of all points are drawn together. Models that move together under the same
    noise, as two averages of one training do, are told apart by their differences; so are the
    objectives of a point, which were measured on the same images. Equal points stay together.

    Args:
        measured: for each point its objectives, all to be minimised.

    Returns:
        A share for each point.

    Raises:
        ValueError: a point has fewer than two seeds, or a value is not finite.
    """
    if not measured:
        return []
    unique = [point for n, point in enumerate(measured) if point not in measured[:n]]
    seeds = _seeds(unique)
    objectives = [Repeats.of(values, seeds) for values in zip(*unique, strict=True)]
    values = draw_jointly(objectives, draws, np.random.default_rng(DRAW_SEED))
    shares = []
    for position in range(len(unique)):
        own = values[:, position : position + 1]
        dominated = dominates(values, own).any(axis=1)
        shares.append(1 - float(dominated.mean()))
    return [shares[unique.index(point)] for point in measured]


def _seeds(measured: Sequence[Sequence[Measured]]) -> list[int]:
    """Return all seeds that anything was measured under."""
    repeated = [v for values in measured for v in values if isinstance(v, Mapping)]
    return sorted({seed for values in repeated for seed in values})


def _costs_and_margins(
    scores: Scores, objectives: tuple[str, ...]
) -> tuple[list[float], list[float]]:
    """Return the costs of a trial's objectives, and how far they may be from the truth."""
    margins = [_margin(scores, name, float(scores[name])) for name in objectives]
    return costs(scores, objectives), margins


def _margin(scores: Scores, name: str, value: float) -> float:
    if name in LATENCIES:
        return LATENCY_MARGIN * value
    if name not in NOISY:
        return 0.0
    if name in SHARES:
        return _share_margin(value, scores["fid_num_images"])
    if name == "kid":
        return 2 * float(scores["kid_deviation"])  # of subsets, so on the wide side
    # Only the FID's own interval is known; what is extrapolated from the same images is no surer.
    share: float = (scores["fid_high"] - scores["fid"]) / max(scores["fid"], 1e-12)
    return share * abs(value)


def _share_margin(share: float, num_images: int) -> float:
    """Return how far a share of images may be from the truth (Agresti and Coull 1998).

    Half the width of their 95 % interval, widened to reach as far from the share itself.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    count = num_images + z**2
    centre = (share * num_images + z**2 / 2) / count
    return z * math.sqrt(centre * (1 - centre) / count) + abs(centre - share)
