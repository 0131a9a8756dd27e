"""Predictions: what they hold to before and after trials were seen."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from study.engine.prediction import SAME_MODEL, Point, Prediction, likeliest, rest_kept

SMALL = Point(
    (("m", 0),), (("backbone.width", 8),), (("sampling.guidance", 2.0),), 0.01, False, 100
)


def points(count: int, seed: int = 0) -> list[Point]:
    """Return models of two backbones that drift by very different amounts."""
    drifts = np.random.default_rng(seed).uniform(-7, 1, count)
    return [
        replace(
            SMALL,
            model=(("m", n),),
            backbone=(("backbone.width", 8 * (1 + n % 2)),),
            drift=float(np.exp(drift)),
            parameters=100 * (1 + n % 2),
        )
        for n, drift in enumerate(drifts)
    ]


def costs(known: list[Point]) -> list[float]:
    """Return costs of a world in which the wider backbone is better."""
    return [float(12 / (p.parameters / 100) * (1 + 12 * p.drift)) for p in known]


def test_unseen_models_are_predicted_within_the_stated_deviation() -> None:
    known, unseen = points(30), points(40, seed=1)
    prediction = Prediction(known, costs(known))
    means, deviations = prediction.predict(unseen)
    errors = (means - np.log(costs(unseen))) / deviations
    assert np.abs(errors).mean() < 1.0
    assert np.abs(errors).max() < 3.0
    assert np.corrcoef(means, np.log(costs(unseen)))[0, 1] > 0.97


def test_guidance_that_helps_what_drifts_is_not_promised_to_what_does_not() -> None:
    """Strong guidance makes what drifts by 0.3 better by a third, and what does not worse."""
    strong = (("sampling.guidance", 3.0),)
    known = points(24)
    both = [replace(p, sampling=s) for p in known for s in (SMALL.sampling, strong)]
    values = [
        c * (1.3 - 2 * p.drift if p.sampling == strong else 1)
        for c, p in zip(costs(both), both, strict=True)
        if p.drift < 0.45
    ]
    prediction = Prediction([p for p in both if p.drift < 0.45], values)
    faint, much = (replace(SMALL, model=(("new", n),), drift=d) for n, d in ((0, 0.003), (1, 0.3)))
    ways = [replace(p, sampling=s) for p in (faint, much) for s in (SMALL.sampling, strong)]
    (plain, guided, drifted, mended), _ = prediction.predict(ways)
    assert guided > plain + 0.1
    assert mended < drifted - 0.1


def test_an_unseen_way_of_drawing_drifts_like_the_seen_ones() -> None:
    known = points(24)
    ways = [(("sampling.guidance", 1.5 + n % 2),) for n in range(24)]
    seen = [replace(p, sampling=way) for p, way in zip(known, ways, strict=True)]
    prediction = Prediction(seen, costs(seen))
    drifted = replace(SMALL, model=(("new", 0),), drift=1.0)
    unseen = (("sampling.guidance", 3.0),)
    samplings = (*ways[:2], unseen)
    (one, two, other), _ = prediction.predict([replace(drifted, sampling=s) for s in samplings])
    assert other >= (one + two) / 2 - 0.05


@given(st.lists(st.floats(1, 500), min_size=3, max_size=12), st.booleans())
def test_more_drift_is_never_predicted_to_be_better(values: list[float], is_cooled: bool) -> None:
    prediction = Prediction(points(len(values)), values)
    line = [replace(SMALL, drift=drift, is_cooled=is_cooled) for drift in np.logspace(-4, 1, 30)]
    means, _ = prediction.predict([replace(p, model=(("new", 0),)) for p in line])
    assert (np.diff(means) >= -1e-9).all()


def test_one_trial_is_believed_near_it_and_little_is_claimed_elsewhere() -> None:
    prediction = Prediction([SMALL], [20.0])
    means, deviations = prediction.predict(
        [SMALL, replace(SMALL, model=(), backbone=(("backbone.width", 64),), parameters=10_000)]
    )
    assert abs(means[0] - np.log(20)) < 0.05
    assert deviations[1] > 3 * deviations[0]


def test_a_model_drawn_from_otherwise_keeps_most_of_what_was_unexplained() -> None:
    known = points(20)
    values = costs(known)
    values[7] *= 1.5  # worse than its drift says
    prediction = Prediction(known, values)
    other = replace(known[7], sampling=(("sampling.guidance", 3.0),))
    stranger = replace(other, model=(("m", "another"),))
    (same, unlike), (sure, unsure) = prediction.predict([other, stranger])
    assert np.log(values[7]) - same < 0.5 * (np.log(values[7]) - unlike)
    assert sure < unsure


def ways(guidances: Sequence[float]) -> list[Point]:
    return [replace(SMALL, sampling=(("sampling.guidance", g),)) for g in guidances]


def in_other_ways(drawn: Sequence[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Predict other ways of drawing from a model, of which some guidances have some FIDs."""
    guidances, found = zip(*drawn, strict=True)
    others = points(8)
    prediction = Prediction([*others, *ways(guidances)], [*costs(others), *found])
    return prediction.predict(ways([2.5, 3.5]))


@given(st.permutations([(1.5, 86.6), (2.0, 57.8), (3.0, 37.6)]))
def test_what_one_model_reached_in_several_ways_counts_alike_whichever_was_last(
    drawn: list[tuple[float, float]],
) -> None:
    means, deviations = in_other_ways(drawn)
    of_sorted = in_other_ways(sorted(drawn))
    assert means == pytest.approx(of_sorted[0])
    assert deviations == pytest.approx(of_sorted[1])
    assert 37.6 < np.exp(means[0]) < 86.6


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_what_a_model_keeps_is_the_conditional_normal_of_equally_correlated_rests(
    count: int,
) -> None:
    rests = np.linspace(-1, 2, count)
    among = np.full((count, count), SAME_MODEL) + (1 - SAME_MODEL) * np.eye(count)
    weights = np.linalg.solve(among, np.full(count, SAME_MODEL))
    mean, unknown = rest_kept(rests.tolist())
    assert mean == pytest.approx(weights @ rests)
    assert unknown == pytest.approx(1 - SAME_MODEL * weights.sum())


def test_costs_below_zero_are_predicted_too() -> None:
    known = points(20)
    agreement = [-1 / (1 + p.drift) for p in known]
    prediction = Prediction(known, agreement, logarithmic=False)
    means, _ = prediction.predict(known)
    assert np.corrcoef(means, agreement)[0, 1] > 0.9


def test_equal_costs_below_zero_are_predicted_as_they_are() -> None:
    prediction = Prediction(points(3), [-0.1, -0.1, -0.1], logarithmic=False)
    means, deviations = prediction.predict(points(3))
    assert means == pytest.approx(prediction.scaled(np.array([-0.1] * 3)), abs=0.2)
    assert (deviations < 1).all()


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 8))
def test_the_likeliest_weights_are_those_of_bounded_least_squares(
    seed: int, num_free: int, num_rising: int
) -> None:
    generator = np.random.default_rng(seed)
    count = num_free + num_rising
    rows, values = generator.normal(size=(20, count)), generator.normal(size=20)
    is_rising = generator.permutation(count) < num_rising
    expected = lsq_linear(rows, values, (np.where(is_rising, 0.0, -np.inf), np.inf), "bvls").x
    found = likeliest(rows.T @ rows, rows.T @ values, is_rising)
    assert found == pytest.approx(expected, abs=1e-8)
    assert (found[is_rising] >= 0).all()
