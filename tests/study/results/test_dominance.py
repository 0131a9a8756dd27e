"""Who beats whom: the definition, an order that respects it, and one that spreads over a front."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.results.dominance import dominates, non_dominated, rank, spread

POINTS = st.lists(
    st.tuples(st.integers(0, 6).map(float), st.integers(0, 6).map(float)), min_size=1, max_size=20
)


@pytest.mark.parametrize(
    ("point", "other", "expected"),
    [
        ((1, 1), (2, 2), True),
        ((1, 2), (1, 3), True),
        ((1, 2), (1, 2), False),  # equal ones stay together
        ((1, 3), (2, 2), False),
        ((2, 2), (1, 1), False),
        ((math.nan, 0), (1, 1), False),
    ],
)
def test_one_point_dominates_another_by_the_definition(
    point: tuple[float, float], other: tuple[float, float], expected: bool
) -> None:
    assert dominates(np.array(point), np.array(other)) == expected


@given(POINTS)
def test_all_pairs_at_once_are_as_one_by_one_and_give_the_front(
    points: list[tuple[float, float]],
) -> None:
    values = np.array(points)
    pairs = dominates(values[:, None], values[None])
    for one, other in np.ndindex(pairs.shape):
        assert pairs[one, other] == dominates(values[one], values[other])
    assert non_dominated(points) == np.flatnonzero(~pairs.any(axis=0)).tolist()


def test_front_keeps_duplicates_and_all_of_a_staircase() -> None:
    assert non_dominated([[1.0, 2.0], [1.0, 2.0], [2.0, 1.0], [2.0, 2.0]]) == [0, 1, 2]
    stairs = [[float(i), float(9 - i)] for i in range(10)]
    assert non_dominated(stairs) == list(range(10))
    assert non_dominated([]) == []


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_front_refuses_values_that_are_not_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="NaN or infinity"):
        non_dominated([[1.0, 3.0], [bad, 0.5], [3.0, 1.0]])


@given(POINTS)
def test_every_point_has_one_place_and_never_one_before_what_dominates_it(
    points: list[tuple[float, float]],
) -> None:
    order, num_best = rank(points)
    assert sorted(order) == list(range(len(points)))
    assert sorted(order[:num_best]) == non_dominated(points)
    place = {position: index for index, position in enumerate(order)}
    for one, a in enumerate(points):
        for other, b in enumerate(points):
            if a != b and a[0] <= b[0] and a[1] <= b[1]:
                assert place[one] < place[other]


@given(POINTS, st.integers(0, 19))
def test_points_that_are_not_finite_come_last(
    points: list[tuple[float, float]], where: int
) -> None:
    where = min(where, len(points))
    broken = [*points[:where], (math.nan, 0.0), *points[where:]]
    order, num_best = rank(broken)
    assert order[-1] == where
    assert num_best <= len(points)


def test_a_front_is_spread_from_its_best_over_its_ends_to_its_middle() -> None:
    stairs = [(float(i), float(8 - i)) for i in range(9)]
    assert spread(stairs, range(9)) == [0, 8, 4, 2, 6, 1, 3, 5, 7]


def test_distances_have_no_units() -> None:
    generator = np.random.default_rng(0)
    fids = np.sort(generator.uniform(5, 100, 12))
    sizes = np.sort(generator.uniform(1e4, 1e7, 12))[::-1]
    points = list(zip(fids, sizes, strict=True))
    scaled = [(math.log(fid), size / 1e9) for fid, size in points]
    assert spread(points, range(12)) == spread(scaled, range(12))
