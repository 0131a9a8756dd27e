"""The interval of the Fréchet distance, and its limit of infinitely many images."""

import logging

import numpy as np
import pytest

from diffusion.errors import MetricUndefined
from diffusion.score.frechet import FrechetReference, GaussianStatistics
from diffusion.score.interval import fid_infinity, fid_interval


def standard(dimension, deviations=1.0):
    """Return the reference of a Gaussian around 0, as of infinitely many images."""
    covariance = np.diag(np.square(np.full(dimension, deviations)))
    return FrechetReference(GaussianStatistics(10**9, np.zeros(dimension), covariance))


def normal(count, dimension, shift=0.0, scale=1.0, seed=0):
    return np.random.default_rng(seed).normal(shift, scale, size=(count, dimension))


def distance(features, reference):
    return reference.distance(GaussianStatistics.from_features(features))


def limits(features, reference, **settings):
    generator = np.random.default_rng(0)
    return np.array([fid_infinity(x, reference, generator, **settings) for x in features])


def test_interval_surrounds_the_distance_and_shrinks_with_more_images():
    reference = standard(8)
    widths = []
    for count in (100, 1000, 10_000):
        features = np.random.default_rng(1).normal(loc=0.5, size=(count, 8))
        low, high = fid_interval(features, reference, np.random.default_rng(0))
        point = distance(features, reference)
        assert 0 <= low < point < high
        assert point - low == pytest.approx(high - point)
        widths.append(high - low)
    assert widths[0] > 2 * widths[1] > 4 * widths[2]


def test_interval_is_about_as_wide_as_the_spread_between_fresh_draws():
    reference = standard(8)
    generator = np.random.default_rng(2)
    draws = [generator.normal(loc=0.5, size=(500, 8)) for _ in range(200)]
    spread = np.std([distance(x, reference) for x in draws])
    low, high = fid_interval(draws[0], reference, generator)
    assert (high - low) / 2 / 1.96 == pytest.approx(spread, rel=0.4)


def test_interval_repeats_with_its_seed_and_stops_at_zero():
    features = normal(30, 4)
    reference = FrechetReference(GaussianStatistics.from_features(features))
    low, high = fid_interval(features, reference, np.random.default_rng(5))
    assert (low, high) == fid_interval(features, reference, np.random.default_rng(5))
    assert low == 0 < high
    with pytest.raises(ValueError, match="resamples is 1; allowed: at least 2"):
        fid_interval(features, reference, np.random.default_rng(5), resamples=1)


def test_interval_of_few_images_warns_once(caplog):
    with caplog.at_level(logging.WARNING):
        fid_interval(normal(8, 8), standard(8), np.random.default_rng(0))
    assert len(caplog.records) == 1


def test_limit_of_equal_gaussians_is_zero_while_the_distance_is_far_from_it():
    reference = standard(20)
    draws = [normal(1000, 20, seed=seed) for seed in range(40)]
    found = limits(draws, reference)
    error = found.std(ddof=1) / np.sqrt(len(found))
    distances = np.array([distance(x, reference) for x in draws])
    assert abs(found.mean()) < 3 * error
    assert distances.mean() > 30 * error
    assert found.min() < 0 < distances.min()


@pytest.mark.parametrize(
    ("shift", "scale", "expected"), [(0.3, 1.0, 12 * 0.09), (0.0, 1.4, 12 * 0.16), (0.1, 0.8, 0.6)]
)
def test_limit_is_the_closed_form_of_two_gaussians(shift, scale, expected):
    found = limits([normal(600, 12, shift, scale, seed) for seed in range(40)], standard(12))
    error = found.std(ddof=1) / np.sqrt(len(found))
    assert abs(found.mean() - expected) < 3.5 * error
    assert error < 0.03 * expected


@pytest.mark.slow
def test_limit_leaves_a_tenth_of_the_bias_of_features_of_unequal_spread():
    # 84 features whose deviations fall as those of a trained network's do.
    deviations = np.exp(-np.arange(84) / 12)
    reference = standard(84, deviations)
    draws = [normal(500, 84, 0, deviations, seed) for seed in range(20)]
    bias = np.mean([distance(x, reference) for x in draws])
    assert abs(limits(draws, reference).mean()) < bias / 10


def test_limit_hardly_spreads_more_than_the_distance():
    reference = standard(20)
    draws = [normal(400, 20, 0.2, seed=seed) for seed in range(60)]
    spread = np.std([distance(x, reference) for x in draws])
    assert np.std(limits(draws, reference)) < 1.5 * spread


def test_two_points_are_twice_the_distance_less_that_of_the_halves():
    x, reference = normal(100, 3), standard(3)
    halves = np.random.default_rng(7).permutation(x).reshape(2, 50, 3)
    expected = 2 * distance(x, reference) - np.mean([distance(half, reference) for half in halves])
    found = fid_infinity(x, reference, np.random.default_rng(7), points=2)
    assert found == pytest.approx(expected)


def test_limit_repeats_with_its_seed():
    x, reference = normal(100, 3), standard(3)
    first, again, other = (
        fid_infinity(x, reference, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_too_few_images_or_points_are_refused():
    reference, generator = standard(8), np.random.default_rng(0)
    with pytest.raises(MetricUndefined, match="32 images of 8 features; allowed: more than 32"):
        fid_infinity(normal(32, 8), reference, generator)
    assert np.isfinite(fid_infinity(normal(33, 8), reference, generator))
    with pytest.raises(ValueError, match="points is 1; allowed: at least 2"):
        fid_infinity(normal(100, 8), reference, generator, points=1)
    with pytest.raises(ValueError, match="dimension 7; allowed: 8"):
        fid_infinity(normal(100, 7), reference, generator)
