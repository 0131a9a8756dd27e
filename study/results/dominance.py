"""Who beats whom: the one place that compares costs, all to be minimised."""

import functools
from collections.abc import Sequence

import numpy as np


def non_dominated(values: Sequence[Sequence[float]]) -> list[int]:
    """Return the positions that no other one dominates; equal ones stay together.

    Args:
        values: [num_trials, num_objectives], all finite, all minimised.
    """
    if not values:
        return []
    points = np.asarray(values, dtype=np.float64)
    if not np.isfinite(points).all():
        raise ValueError("objective values hold NaN or infinity; allowed: finite numbers")
    points, places = np.unique(points, axis=0, return_inverse=True)
    # In lexicographic order the first of those left is dominated by none of them.
    left, kept = np.arange(len(points)), np.zeros(len(points), dtype=bool)
    while len(left):
        first = left[0]
        kept[first] = True
        left = left[(points[left] < points[first]).any(axis=1)]
    return np.flatnonzero(kept[places.reshape(-1)]).tolist()


def rank(points: Sequence[Sequence[float]]) -> tuple[list[int], int]:
    """Order points, best first: by non-dominated rank, and within one so that they spread.

    Args:
        points: [num_points, num_objectives], all minimised; those not finite come last.

    Returns:
        Their positions in order, and how many of them no other one dominates.
    """
    left = [position for position, point in enumerate(points) if np.isfinite(point).all()]
    broken = [position for position in range(len(points)) if position not in left]
    order: list[int] = []
    num_best = 0
    while left:
        front = [left[position] for position in non_dominated([points[p] for p in left])]
        order += spread(points, front)
        num_best = num_best or len(front)
        left = [position for position in left if position not in front]
    return order + broken, num_best


def spread(points: Sequence[Sequence[float]], front: Sequence[int]) -> list[int]:
    """Order a front so that every beginning of it is spread over the whole.

    The best in the first objective comes first, then always the one farthest from those before
    it; distances are of ranks in each objective, which have no units.
    """
    values = np.array([points[position] for position in front])
    places = values.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    chosen = [int(places[:, 0].argmin())]
    while len(chosen) < len(front):
        apart = np.abs(places[:, None] - places[chosen][None]).sum(axis=2).min(axis=1)
        chosen.append(int(apart.argmax()))
    return [front[position] for position in chosen]


def dominates(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Tell which points are as good as which others in every objective and better in one.

    Args:
        points: [..., num_objectives], all minimised.
        others: likewise; both are broadcast against each other.

    Returns:
        [...] bool, without the objectives.
    """
    # Objective by objective: they are few, and numpy is slow along a short last axis.
    pairs = [(points[..., k], others[..., k]) for k in range(points.shape[-1])]
    no_worse = functools.reduce(np.logical_and, (one <= other for one, other in pairs))
    better = functools.reduce(np.logical_or, (one < other for one, other in pairs))
    return np.asarray(no_worse & better)
