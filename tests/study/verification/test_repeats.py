"""What repeated measurements of several points tell of each: moderated variances."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from study.verification.moderation import shrunk
from study.verification.repeats import Repeats, draw_jointly

SEEDS = [0, 1, 2]
SHAPES = np.array([[-1.0, 0.0, 1.0], [1.0, -2.0, 1.0], [0.0, 1.0, -1.0], [2.0, -1.0, -1.0]])


def measured(means: Any, deviations: Any, shapes: Any = SHAPES) -> list[dict[int, float]]:
    """Return points of these means and deviations, spread over three seeds by the shapes."""
    rows = zip(means, deviations, shapes, strict=False)
    return [
        dict(enumerate((mean + deviation * shape / np.std(shape, ddof=1)).tolist()))
        for mean, deviation, shape in rows
    ]


def errors_of(points: Any) -> np.ndarray:
    """Return the standard errors of the means, [P]."""
    errors: np.ndarray = np.sqrt((Repeats.of(points, SEEDS).errors ** 2).sum(axis=1))
    return errors


def test_deviations_in_proportion_to_the_root_of_the_mean_are_left_as_they_are() -> None:
    means = np.array([4.0, 25.0, 100.0, 9.0])
    points = measured(means, 0.2 * np.sqrt(means))
    found = Repeats.of(points, SEEDS)
    np.testing.assert_allclose(found.means, means)
    np.testing.assert_allclose(errors_of(points), 0.2 * np.sqrt(means / 3))
    assert (found.degrees > 2).all()


def test_errors_keep_the_covariance_of_the_means() -> None:
    points = measured([25.0, 25.0, 25.0], [1.0, 1.0, 1.0])
    values = np.array([list(point.values()) for point in points])
    errors = Repeats.of(points, SEEDS).errors
    np.testing.assert_allclose(errors @ errors.T, np.cov(values) / 3, atol=1e-12)


def test_variances_that_differ_by_chance_alone_are_pooled() -> None:
    deviations = np.array([0.7, 1.3, 1.0])
    points = measured([25.0] * 3, deviations)
    np.testing.assert_allclose(errors_of(points), math.sqrt(np.mean(deviations**2) / 3))


def test_residuals_keep_their_direction() -> None:
    points = measured([25.0] * 3, [0.7, 1.3, 1.0])
    errors = Repeats.of(points, SEEDS).errors
    for row, shape in zip(errors, SHAPES, strict=False):
        cosine = row[:3] @ shape / np.linalg.norm(row) / np.linalg.norm(shape)
        assert cosine == pytest.approx(1)


def test_variances_that_differ_beyond_chance_are_drawn_together_in_part() -> None:
    generator = np.random.default_rng(0)
    deviations = np.repeat([0.01, 10.0], 20)
    points = measured([1e4] * 40, deviations, generator.normal(size=(40, 3)))
    errors = errors_of(points)
    assert (errors[:20] > 0.01 / math.sqrt(3)).all()
    assert (errors[20:] < 10 / math.sqrt(3)).all()
    assert errors[20:].min() > 20 * errors[:20].max()
    assert (Repeats.of(points, SEEDS).degrees < 4).all()


@pytest.mark.parametrize("value", [25.3, *(k / 1_000 for k in range(900, 1_000, 7))])
def test_values_that_happen_to_be_equal_are_as_sure_as_the_others_and_change_nothing(
    value: float,
) -> None:
    points = measured([25.0] * 3, [0.7, 1.3, 1.0])
    others: list[Any] = [dict.fromkeys(SEEDS, value), value]
    found = Repeats.of([*points, *others], SEEDS)
    alone = Repeats.of(points, SEEDS)
    np.testing.assert_array_equal(found.errors[:3, :3], alone.errors[:, :3])
    np.testing.assert_array_equal(found.degrees[:3], alone.degrees)
    # These three deviations differ by chance alone, so that they are one.
    common = math.sqrt(np.mean(np.square([0.7, 1.3, 1.0])) / 3 / 25.0 * value)
    assert np.linalg.norm(found.errors[3]) == pytest.approx(common)
    assert not found.errors[4].any(), "what was measured once is exact"
    assert found.intervals()[4] == (value, value, value)


def test_values_that_are_all_equal_are_exact() -> None:
    found = Repeats.of([dict.fromkeys(SEEDS, 0.95), dict.fromkeys(SEEDS, 0.975)], SEEDS)
    assert not found.errors.any()


def test_correlations_are_shrunk_as_far_as_chance_explains_them() -> None:
    generator = np.random.default_rng(0)
    chance = generator.standard_normal((40, 2))
    chance /= np.linalg.norm(chance, axis=1, keepdims=True)
    found = shrunk(chance @ chance.T, 2)
    np.testing.assert_allclose(np.diag(found), 1)
    assert np.abs(found - np.eye(40)).max() < 0.25
    same = np.ones((5, 5))
    np.testing.assert_allclose(shrunk(same, 2), same)
    assert shrunk(np.array([[1.0, 0.3], [0.3, 1.0]]), 2)[0, 1] == 0.3, "one pair is its own mean"


@pytest.mark.parametrize(
    ("shapes", "degrees"),
    [
        (SHAPES[:1].repeat(4, axis=0), 2),
        (SHAPES[:1] * [[1], [-1], [1], [-1]], 2),
        (SHAPES[:2], 4),
        (SHAPES[[0, 1, 0, 1]], 8),
    ],
    ids=["together", "against each other", "two at right angles", "four in two directions"],
)
def test_points_that_move_together_leave_fewer_degrees_of_freedom(
    shapes: np.ndarray, degrees: float
) -> None:
    points = measured([25.0] * len(shapes), [1.0] * len(shapes), shapes)
    assert Repeats.of(points, SEEDS).degrees == pytest.approx(degrees)


def test_two_seeds_cannot_tell_what_moves_together() -> None:
    points = [{0: 9.0, 1: 10.0}, {0: 20.0, 1: 21.0}]
    assert Repeats.of(points, SEEDS).degrees == pytest.approx(1)


@pytest.mark.parametrize("values", [(-1.0, 0.5, 2.0), (-5.0, -6.0, -7.0)], ids=["0", "negative"])
def test_values_that_are_not_all_positive_are_compared_as_they_are(
    values: tuple[float, ...],
) -> None:
    points = [dict(enumerate(values)), {0: 99.0, 1: 100.0, 2: 101.5}]
    variances = [np.var(list(point.values()), ddof=1) for point in points]
    np.testing.assert_allclose(errors_of(points), math.sqrt(np.mean(variances) / 3))


def drawn(*objectives: Any, draws: int = 20_000) -> np.ndarray:
    found = [Repeats.of(points, SEEDS) for points in objectives]
    return draw_jointly(found, draws, np.random.default_rng(0))


def test_draws_of_one_point_are_students() -> None:
    values = drawn([{0: 9.0, 1: 10.0, 2: 11.0}])
    assert values.shape == (20_000, 1, 1)
    standard = (values[:, 0, 0] - 10) * math.sqrt(3)
    assert stats.kstest(standard, stats.t(2).cdf).pvalue > 0.01


def test_points_that_moved_together_are_drawn_together() -> None:
    points = measured([25.0, 25.0, 36.0], [1.0, 1.0, 1.2], SHAPES[:1].repeat(3, axis=0))
    values = drawn(points, draws=100)[:, :, 0]
    np.testing.assert_allclose(values[:, 0], values[:, 1], atol=1e-5)
    np.testing.assert_allclose((values[:, 2] - 36) / 1.2, values[:, 0] - 25, atol=1e-5)


def test_objectives_of_a_point_move_together() -> None:
    fids = [{0: 9.0, 1: 10.0, 2: 11.0}]
    shares = [{0: -0.1, 1: -0.2, 2: -0.3}]
    values = drawn(fids, [7.0], shares, draws=100)[:, 0]
    np.testing.assert_allclose(values[:, 0] - 10, -10 * (values[:, 2] + 0.2), atol=1e-5)
    assert (values[:, 1] == 7).all()


@pytest.mark.parametrize("turn", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("length", [0.7, 1.0, 1.6])
def test_differences_of_points_spread_as_the_paired_differences_for_the_pooled_variance(
    turn: float, length: float
) -> None:
    across = SHAPES[1] / np.linalg.norm(SHAPES[1])
    along = SHAPES[0] / np.linalg.norm(SHAPES[0])
    first, second = along, length * (math.cos(turn) * along + math.sin(turn) * across)
    points = [dict(enumerate((25 + shape).tolist())) for shape in (first, second)]
    values = drawn(points)[:, :, 0]
    own = values[:, 1] - values[:, 0]
    share = np.sum((second - first) ** 2) / np.sum(first**2 + second**2)
    # Student's tails are too heavy for a deviation: the quartiles tell.
    widths = np.subtract(*np.quantile(np.column_stack([own, values]), [0.75, 0.25], axis=0))
    assert widths[0] ** 2 == pytest.approx(share * np.sum(widths[1:] ** 2), rel=0.08, abs=1e-9)


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_intervals_hold_the_truth_whether_points_move_together_or_not(correlation: float) -> None:
    generator, held = np.random.default_rng(1), []
    means = np.geomspace(8, 100, 10)
    for _ in range(400):
        common, own = generator.normal(size=3), generator.normal(size=(10, 3))
        noise = math.sqrt(correlation) * common + math.sqrt(1 - correlation) * own
        values = means[:, None] + 0.26 * np.sqrt(means)[:, None] * noise
        intervals = Repeats.of(
            [dict(enumerate(row)) for row in values.tolist()], SEEDS
        ).intervals()
        ends = zip(means, intervals, strict=True)
        held.append(np.mean([low <= mean <= high for mean, (_, low, high) in ends]))
    assert np.mean(held) == pytest.approx(0.95, abs=0.05)


def test_pooled_intervals_are_half_as_wide_as_those_of_three_seeds_alone() -> None:
    means = [25.0] * 12
    points = measured(means, [1.0] * 12, SHAPES[[0, 1] * 6])
    _, low, high = Repeats.of(points, SEEDS).intervals()[0]
    _, low_alone, high_alone = Repeats.of(points[:1], SEEDS).intervals()[0]
    assert (high - low) / (high_alone - low_alone) == pytest.approx(
        stats.t.ppf(0.975, 24) / stats.t.ppf(0.975, 2)
    )
