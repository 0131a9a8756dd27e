"""The hypervolume of a study's course: closed forms, and what it never does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion.recipe import Recipe
from study.display.report.course import course_of, hypervolumes
from study.results.records import TrialRecord
from study.results.rows import SEARCHED

CLOSE = 0.01  # of a Monte Carlo over 16,384 places
AIMS = ("fid", "size_bytes")


def test_one_point_in_the_middle_of_the_box_dominates_a_quarter() -> None:
    costs = np.array([[0.0, 2.0], [2.0, 0.0], [1.0, 1.0]])
    assert hypervolumes(costs) == pytest.approx([0, 0, 0.25], abs=CLOSE)


def test_a_staircase_dominates_the_sum_of_its_steps() -> None:
    corners = np.array([[0.0, 4.0], [4.0, 0.0]])
    steps = np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]])
    shares = hypervolumes(np.concatenate([corners, steps]))
    assert shares[2:] == pytest.approx([3 / 16, 5 / 16, 6 / 16], abs=CLOSE)


def test_three_objectives_have_a_volume() -> None:
    corners = np.eye(3) * 2
    assert hypervolumes(np.concatenate([corners, [[1.0, 1.0, 1.0]]]))[-1] == pytest.approx(
        1 / 8, abs=CLOSE
    )


@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9)), min_size=1, max_size=20))
def test_it_never_falls_and_stays_within_the_box(points: list[tuple[float, float]]) -> None:
    shares = hypervolumes(np.array(points))
    assert (np.diff(shares) >= 0).all()
    assert 0 <= shares.min() <= shares.max() <= 1


def ended(number: int, fid: float, size: int, recipe: Recipe, **scores: object) -> TrialRecord:
    values = {"fid": fid, "size_bytes": size, **scores}
    times = {"start_time": 100.0 + number, "end_time": 110.0 + 5 * number}
    return TrialRecord(number, "complete", recipe, values, **times)


def test_the_course_is_over_trials_and_seconds_in_the_order_of_their_ends(
    digit_recipe: Recipe,
) -> None:
    records = [
        ended(0, 1.0, 100, digit_recipe),
        TrialRecord(1, "failed", digit_recipe, None, "boom", start_time=100.0, end_time=112.0),
        ended(2, 100.0, 1, digit_recipe),
        TrialRecord(3, "infeasible", None, None, "groups", start_time=100.0, end_time=113.0),
        ended(4, 10.0, 10, digit_recipe),  # the middle, by logarithms
    ]
    steps = course_of(records, AIMS)["steps"]
    assert [step[0] for step in steps] == [1, 2, 3, 4]
    assert [step[1] for step in steps] == [10, 12, 20, 30]
    assert [step[2] for step in steps] == pytest.approx([0, 0, 0, 0.25], abs=CLOSE)


def test_a_verified_trial_counts_by_the_search_s_figures(digit_recipe: Recipe) -> None:
    records = [ended(0, 1.0, 100, digit_recipe), ended(1, 100.0, 1, digit_recipe)]
    again = ended(2, 0.1, 10, digit_recipe, **{SEARCHED: {"fid": 10.0}})
    assert course_of([*records, again], AIMS)["steps"][-1][2] == pytest.approx(0.25, abs=CLOSE)


def test_why_there_is_no_course_is_said(digit_recipe: Recipe) -> None:
    course = course_of([ended(0, 1.0, 1, digit_recipe)], AIMS)
    assert course == {
        "steps": [],
        "why": "fewer than two trials are complete and keep to the limits",
    }
