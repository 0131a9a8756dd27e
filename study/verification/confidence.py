"""How sure a front is: which trials might be on it, and how probable that is."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from study.results.objectives import Scores, costs
from study.results.records import TrialRecord

# Objectives that another draw of images would change; `latency_ms` that another moment would.
SHARES = ("label_agreement", "precision", "recall")  # of so many images
NOISY = ("fid", "fid_held_out", "fid_infinity", "kid", *SHARES)
LATENCY_MARGIN = 0.25
CONFIDENCE = 0.95
DRAWS = 4_000
DRAW_SEED = 0


def within_reach(records: Sequence[TrialRecord], objectives: tuple[str, ...]) -> list[TrialRecord]:
    """Return the complete trials that may be on the front as far as their scores can tell.

    Those over a limit are not: they neither are on it nor keep others from it.
    One is out of reach when another one, at the worst end of its 95 % interval, is as good as it
    at its best end in every objective and better in one.
    """
    complete = [r for r in records if r.state == "complete" and r.feasible and r.scores]
    if not complete:
        return []
    bounds = [_bounds(record.scores or {}, objectives) for record in complete]
    best, worst = (np.array(ends) for ends in zip(*bounds, strict=True))
    return [
        record
        for record, low in zip(complete, best, strict=True)
        if not ((worst <= low).all(axis=1) & (worst < low).any(axis=1)).any()
    ]


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of repeated measurements and its 95 % interval (Student's t).

    Raises:
        ValueError: fewer than two values.
    """
    if len(values) < 2:
        raise ValueError(f"{len(values)} values; allowed: at least 2 for an interval")
    mean = float(np.mean(values))
    margin = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * _standard_error(values)
    return mean, mean - margin, mean + margin


def front_probabilities(
    measured: Sequence[Sequence[Sequence[float]]], draws: int = DRAWS
) -> list[float]:
    """Estimate how probable it is that each point is on the front of the true values.

    The true value of a measured objective is drawn around its mean by Student's t with as many
    degrees of freedom as its repetitions leave. The objectives of a point move together, since
    they were measured on the same images.

    Args:
        measured: for each point and each objective its repeated values, all to be minimised; one
            value is exact.

    Returns:
        A share for each point.
    """
    if not measured:
        return []
    generator = np.random.default_rng(DRAW_SEED)
    values = np.stack([_draw(point, draws, generator) for point in measured], axis=1)
    shares = []
    for position in range(len(measured)):
        own = values[:, position : position + 1]
        worse = np.all(values <= own, axis=2) & np.any(values < own, axis=2)
        dominated = np.any(worse, axis=1)
        shares.append(1 - float(dominated.mean()))
    return shares


def _draw(
    point: Sequence[Sequence[float]], draws: int, generator: np.random.Generator
) -> np.ndarray:
    """Draw [draws, objectives] possible true values of a point."""
    repeats = max(map(len, point))
    shift = generator.standard_t(repeats - 1, draws) if repeats > 1 else np.zeros(draws)
    means = np.array([np.mean(values) for values in point])
    errors = np.array([_standard_error(values) if len(values) > 1 else 0.0 for values in point])
    drawn: np.ndarray = means + shift[:, None] * errors
    return drawn


def _standard_error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def _bounds(scores: Scores, objectives: tuple[str, ...]) -> tuple[list[float], list[float]]:
    """Return the best and the worst costs that a trial's objectives may have in truth."""
    values = costs(scores, objectives)
    margins = [_margin(scores, name, float(scores[name])) for name in objectives]
    pairs = list(zip(values, margins, strict=True))
    return [value - margin for value, margin in pairs], [value + margin for value, margin in pairs]


def _margin(scores: Scores, name: str, value: float) -> float:
    if name == "latency_ms":
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
    z = float(stats.norm.ppf((1 + CONFIDENCE) / 2))
    count = num_images + z**2
    centre = (share * num_images + z**2 / 2) / count
    return z * math.sqrt(centre * (1 - centre) / count) + abs(centre - share)
