"""Which trials might be on a front, and how sure that is."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from study.results.dominance import non_dominated
from study.results.records import TrialRecord
from study.verification.confidence import (
    _share_margin,
    front_probabilities,
    mean_intervals,
    within_reach,
)

OBJECTIVES = ("fid", "size_bytes")


def record(number: int, fid: float, margin: float, size: int, **scores: Any) -> TrialRecord:
    values = {"fid": fid, "fid_low": fid - margin, "fid_high": fid + margin, "size_bytes": size}
    return TrialRecord(number, "complete", None, {**values, **scores})


def numbers(records: list[TrialRecord]) -> list[int]:
    return [found.number for found in records]


@pytest.mark.parametrize(
    ("margin", "reached"),
    [(0.0, [0, 1]), (3.5, [0, 1]), (3.6, [0, 1, 2]), (10.0, [0, 1, 2])],
    ids=["exact", "surely behind", "maybe behind", "wide"],
)
def test_a_dominated_trial_is_within_reach_once_chance_may_explain_the_difference(
    margin: float, reached: list[int]
) -> None:
    small, good, behind = (
        record(0, 20, margin, 100),
        record(1, 10, margin, 200),
        record(2, 15, margin, 200),
    )
    assert numbers(within_reach([small, good, behind], OBJECTIVES)) == reached


def test_sizes_are_exact_so_a_larger_file_of_surely_worse_quality_is_out_of_reach() -> None:
    small, large = record(0, 10, 1, 100), record(1, 12.5, 1, 101)
    assert numbers(within_reach([small, large], OBJECTIVES)) == [0]
    assert numbers(within_reach([small, large], ("size_bytes",))) == [0]


def test_latency_and_held_out_distances_are_uncertain_too() -> None:
    fast = record(0, 10, 2, 100, latency_ms=8.0, fid_held_out=10.0)
    slow = record(1, 10, 2, 100, latency_ms=11.0, fid_held_out=13.0)
    slower = record(2, 10, 2, 100, latency_ms=20.0, fid_held_out=18.0)
    assert numbers(within_reach([fast, slow, slower], ("latency_ms",))) == [0, 1]
    assert numbers(within_reach([fast, slow, slower], ("fid_held_out",))) == [0, 1]


def test_shares_are_as_uncertain_as_their_images_are_few() -> None:
    aims = ("recall", "size_bytes")
    for num_images, reached in ((100, [0, 1]), (10_000, [0])):
        good, behind = (
            record(n, 10, 0, 100 + n, recall=share, fid_num_images=num_images)
            for n, share in enumerate((0.9, 0.8))
        )
        assert numbers(within_reach([good, behind], aims)) == reached
    perfect, worse = (
        record(n, 10, 0, 100 + n, precision=share, fid_num_images=50)
        for n, share in enumerate((1.0, 0.97))
    )
    assert numbers(within_reach([perfect, worse], ("precision", "size_bytes"))) == [0, 1]


@given(st.integers(0, 200), st.integers(20, 200))
def test_the_margin_of_a_share_covers_what_the_truth_may_be(hits: int, count: int) -> None:
    hits = min(hits, count)
    margin = _share_margin(hits / count, count)
    interval = stats.binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert hits / count - margin <= interval.low + 1e-9
    assert hits / count + margin >= interval.high - 1e-9


def test_what_is_over_a_limit_is_neither_within_reach_nor_in_the_way() -> None:
    over, kept = replace(record(0, 1, 0, 1), feasible=False), record(1, 10, 0, 100)
    assert numbers(within_reach([over, kept], OBJECTIVES)) == [1]
    assert within_reach([over], OBJECTIVES) == []


def test_trials_that_are_not_complete_are_never_within_reach() -> None:
    failed = TrialRecord(0, "failed", None, None, "boom")
    assert within_reach([failed], OBJECTIVES) == []
    assert numbers(within_reach([failed, record(1, 5, 1, 1)], OBJECTIVES)) == [1]


@given(
    st.lists(
        st.tuples(st.floats(1, 100), st.floats(0, 20), st.integers(1, 50)), min_size=1, max_size=12
    )
)
def test_whatever_is_on_the_front_is_within_its_reach(
    drawn: list[tuple[float, float, int]],
) -> None:
    records = [record(n, fid, margin, size) for n, (fid, margin, size) in enumerate(drawn)]
    front = non_dominated([(fid, size) for fid, _, size in drawn])
    assert set(front) <= set(numbers(within_reach(records, OBJECTIVES)))


def seeds(*values: float) -> dict[int, float]:
    """Return values as measured under seeds 0, 10, 20 ..."""
    return {10 * position: value for position, value in enumerate(values)}


def test_the_interval_of_one_points_mean_is_students() -> None:
    [(mean, low, high)] = mean_intervals([seeds(9.0, 10.0, 11.0)])
    # t(0.975, 2) = 4.303, and the standard error is 1 / sqrt(3).
    assert mean == 10
    assert high - mean == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert low == pytest.approx(2 * mean - high)


def test_the_interval_holds_the_truth_in_95_of_100_cases() -> None:
    draws = np.random.default_rng(0).normal(50, 3, size=(2_000, 3))
    held = [
        low <= 50 <= high for x in draws.tolist() for _, low, high in mean_intervals([seeds(*x)])
    ]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)


def test_one_value_has_no_interval_and_no_points_have_none() -> None:
    with pytest.raises(ValueError, match="1 values; allowed: at least 2"):
        mean_intervals([seeds(3.0)])
    assert mean_intervals([]) == []


def test_points_that_differ_far_beyond_their_spread_are_surely_on_the_front_or_off_it() -> None:
    small = [seeds(20.0, 20.1, 19.9), 100.0]
    good = [seeds(10.0, 10.1, 9.9), 200.0]
    beaten = [seeds(30.0, 30.1, 29.9), 200.0]
    assert front_probabilities([small, good, beaten]) == pytest.approx([1, 1, 0], abs=0.002)


def test_points_that_move_together_are_told_apart_by_their_constant_gap() -> None:
    noise = np.array([-3.0, 1.0, 2.0])
    first, second = seeds(*(20 + noise)), seeds(*(20.5 + noise))
    (_, low, _), (_, _, high) = mean_intervals([second, first])
    assert low < 20 < 20.5 < high, "each alone may be the better one"
    assert front_probabilities([[first], [second]]) == pytest.approx([1, 0], abs=0.005)


def test_points_that_move_on_their_own_are_not_told_apart_by_as_small_a_gap() -> None:
    first, second = seeds(17.0, 21.0, 22.0), seeds(22.5, 17.5, 21.5)
    chances = front_probabilities([[first], [second]])
    assert all(0.3 < chance < 0.7 for chance in chances)
    assert sum(chances) == pytest.approx(1)


def test_equal_points_of_one_size_stay_on_the_front_together() -> None:
    twins = [[seeds(10.1, 11.7, 12.3), 100.0]] * 3
    worse = [seeds(30.3, 31.1, 32.2), 100.0]
    first, second, third, last = front_probabilities([*twins, worse])
    assert first == second == third == pytest.approx(1, abs=0.005)
    assert last == pytest.approx(0, abs=0.005)


@pytest.mark.parametrize("gap", [0.0, 0.5, 2.0])
@pytest.mark.parametrize(
    ("shape", "degrees"),
    [([1.0, -2.0, 1.0], 4), ([-1.0, 0.0, 1.0], 2), ([1.0, 0.0, -1.0], 2)],
    ids=["at right angles", "together", "against each other"],
)
def test_the_probability_of_beating_a_rival_is_students_tail_of_the_paired_differences(
    shape: list[float], degrees: int, gap: float
) -> None:
    base = np.array([-1.0, 0.0, 1.0])
    other = np.array(shape) * math.sqrt(2) / np.linalg.norm(shape)
    first = 100 + base
    second = 100 + gap + other * math.sqrt((100 + gap) / 100)  # as far off, for its mean
    differences = second - first
    error = differences.std(ddof=1) / math.sqrt(3)
    found = front_probabilities([[seeds(*first)], [seeds(*second)]], draws=40_000)
    if error > 0.1:
        expected = float(stats.t.cdf(gap / error, degrees))
        assert found == pytest.approx([expected, 1 - expected], abs=0.01)
    else:
        assert found == ([1, 1] if gap == 0 else pytest.approx([1, 0], abs=0.002))


def test_the_probability_of_beating_an_exact_rival_is_students_tail() -> None:
    # The difference of the means is one standard error: P(t_2 < 1) = 0.7887.
    rival = [10 + 1 / math.sqrt(3), 100.0]
    chances = front_probabilities([[seeds(9.0, 10.0, 11.0), 100.0], rival], draws=40_000)
    expected = float(stats.t.cdf(1, 2))
    assert chances == pytest.approx([expected, 1 - expected], abs=0.01)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([[3.0, 1.0], [2.0, 2.0], [1.0, 3.0]], [1, 1, 1]),
        ([[1.0, 1.0], [1.0, 2.0], [2.0, 2.0]], [1, 0, 0]),
        ([[1.0, 1.0], [1.0, 1.0]], [1, 1]),
        ([[1.0, 5.0]], [1]),
        ([[seeds(5.0, 5.0, 5.0), 1.0], [5.1, 1.0]], [1, 0]),
    ],
    ids=["all", "one", "twins", "alone", "repeated and the same"],
)
def test_what_is_exact_is_on_the_front_or_off_it(points: Any, expected: list[int]) -> None:
    assert front_probabilities(points) == expected


def test_one_point_alone_is_on_the_front() -> None:
    assert front_probabilities([[seeds(1.0, 90.0, 50.0), seeds(-0.9, -0.5, -0.4), 7.0]]) == [1]


def test_the_smallest_point_is_always_on_the_front() -> None:
    noisy = [[seeds(10.0, 90.0, 50.0), float(size)] for size in (100, 200, 300)]
    assert front_probabilities(noisy)[0] == 1


def test_points_of_other_seeds_are_paired_over_those_they_share() -> None:
    noise = {0: -3.0, 10: 1.0, 20: 2.0}
    first = {seed: 20 + shift for seed, shift in noise.items()}
    shared = {seed: 22 + shift for seed, shift in noise.items()}
    apart = {seed + 1: 22 + shift for seed, shift in noise.items()}
    together = front_probabilities([[first], [shared]])
    assert together == pytest.approx([1, 0], abs=0.01)
    alone = front_probabilities([[first], [apart]])
    assert 0.7 < alone[0] < 0.95
    half = front_probabilities([[first], [{**shared, 30: 22.0}]])
    assert alone[0] < half[0] <= 1


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("repeated", [True, False])
def test_what_is_not_finite_is_refused(bad: float, repeated: bool) -> None:
    value = seeds(1.0, bad, 2.0) if repeated else bad
    with pytest.raises(ValueError, match=f"value is {bad}; allowed: a finite number"):
        front_probabilities([[seeds(1.0, 2.0, 3.0)], [value]])


def test_no_points_have_no_probabilities() -> None:
    assert front_probabilities([]) == []


POINTS = st.lists(
    st.tuples(
        st.lists(st.floats(1, 100), min_size=3, max_size=3).map(lambda x: seeds(*x)),
        st.integers(1, 3).map(float),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=20)
@given(POINTS, st.randoms())
def test_probabilities_are_shares_that_follow_the_points_in_any_order(
    points: list[Any], random: Any
) -> None:
    chances = front_probabilities(points)
    assert all(0 <= chance <= 1 for chance in chances)
    assert sum(chances) >= 1 - 1e-9, "something is on the front of each draw"
    order = random.sample(range(len(points)), len(points))
    shuffled = front_probabilities([points[position] for position in order])
    assert shuffled == pytest.approx([chances[position] for position in order], abs=0.06)


@pytest.mark.parametrize("correlation", [0.0, 0.92])
def test_of_two_equally_good_models_neither_is_seldom_called_surely_better(
    correlation: float,
) -> None:
    generator, sure, runs = np.random.default_rng(3), 0, 120
    means = np.array([25.0, 25.0, *np.linspace(28, 55, 8)])
    for _ in range(runs):
        common = math.sqrt(correlation) * generator.standard_normal(3)
        own = math.sqrt(1 - correlation) * generator.standard_normal((10, 3))
        measured = [[dict(enumerate(row.tolist()))] for row in means[:, None] + common + own]
        chance = front_probabilities(measured, draws=1_000)[0]
        sure += not 0.025 <= chance <= 0.975
    assert sure / runs < 0.1, "0.05 is as often as it should be"
