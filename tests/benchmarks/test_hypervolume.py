"""The hypervolume: closed forms, and what adds nothing to it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.hypervolume import REFERENCE, Moment, hypervolume, reach

FIDS = st.floats(1.0, 1e4)
SIZES = st.floats(1e2, 1e8)
POINTS = st.lists(st.tuples(FIDS, SIZES), max_size=8)


def at(below: float, left: float) -> tuple[float, float]:
    """Return the trial that lies so far below and left of the reference."""
    return math.exp(REFERENCE[0] - below), 10 ** (REFERENCE[1] - left)


@pytest.mark.parametrize(
    ("points", "area"),
    [
        ([], 0.0),
        ([at(2, 3)], 6.0),
        ([at(2, 3), at(2, 3)], 6.0),
        ([at(2, 3), at(1, 2)], 6.0),  # dominated
        ([at(1, 4), at(3, 2)], 8.0),  # 4 + 6 - 2
        ([at(1, 3), at(3, 1), at(2, 2)], 6.0),  # a stair
        ([at(-1, 3), at(3, -1)], 0.0),  # beyond the reference
        ([at(2, 3), at(-1, 9)], 6.0),
    ],
)
def test_the_area_of_rectangles(points: list[tuple[float, float]], area: float) -> None:
    assert hypervolume(points) == pytest.approx(area)


@given(POINTS, FIDS, SIZES)
def test_another_trial_never_takes_area_and_a_dominated_one_adds_none(
    points: list[tuple[float, float]], fid: float, size: float
) -> None:
    more = [*points, (fid, size)]
    assert hypervolume(more) >= hypervolume(points) - 1e-9
    assert hypervolume([*more, (2 * fid, 2 * size)]) == pytest.approx(hypervolume(more))
    assert hypervolume(more[::-1]) == pytest.approx(hypervolume(more))


def test_a_target_is_reached_at_the_first_moment_that_covers_as_much() -> None:
    course = [Moment(float(i), 10 * i, area) for i, area in enumerate((0.0, 2.0, 2.0, 5.0))]
    assert reach(course, 2.0) == course[1]
    assert reach(course, 3.0) == course[3]
    assert reach(course, 6.0) is None
