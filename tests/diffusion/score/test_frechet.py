"""The Fréchet distance against closed forms, scipy's matrix root and its own properties."""

import logging

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion.errors import MetricUndefined
from diffusion.score.frechet import FrechetReference, GaussianStatistics, fid_interval


def gaussian(mean, covariance):
    mean = np.asarray(mean, dtype=float)
    return GaussianStatistics(10_000, mean, np.asarray(covariance, dtype=float))


def draw(count, dimension, seed=0):
    """Correlated features, shifted and scaled by the seed."""
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(dimension, dimension))
    return generator.normal(size=(count, dimension)) @ mixing + generator.normal(size=dimension)


def distance(features, others):
    reference = FrechetReference(GaussianStatistics.from_features(others))
    return reference.distance(GaussianStatistics.from_features(features))


def test_distance_of_shifted_means_is_the_squared_shift():
    reference = FrechetReference(gaussian([0, 0, 0], np.eye(3)))
    assert reference.distance(gaussian([1, -2, 3], np.eye(3))) == pytest.approx(14)


def test_distance_of_diagonal_covariances_is_that_of_their_roots():
    a, b = np.array([1.0, 4.0, 0.25, 0.0]), np.array([9.0, 1.0, 0.25, 2.0])
    reference = FrechetReference(gaussian(np.zeros(4), np.diag(a)))
    expected = np.square(np.sqrt(a) - np.sqrt(b)).sum()
    assert reference.distance(gaussian(np.zeros(4), np.diag(b))) == pytest.approx(expected)


@pytest.mark.parametrize("dimension", [1, 5, 84])
def test_distance_agrees_with_the_root_of_the_product(dimension):
    x, y = draw(1000, dimension, seed=1), draw(1200, dimension, seed=2)
    s, r = np.atleast_2d(np.cov(x.T)), np.atleast_2d(np.cov(y.T))
    root = scipy.linalg.sqrtm(s @ r)
    shift = x.mean(0) - y.mean(0)
    expected = shift @ shift + np.trace(s + r - 2 * root.real)
    assert distance(x, y) == pytest.approx(expected, rel=1e-6)


def test_distance_is_symmetric():
    x, y = draw(300, 20, seed=1), draw(400, 20, seed=2)
    assert distance(x, y) == pytest.approx(distance(y, x), rel=1e-9)


def test_statistics_are_those_of_numpy_and_the_inputs_precision_does_not_matter():
    features = draw(50, 6).astype(np.float32)
    statistics = GaussianStatistics.from_features(features)
    np.testing.assert_allclose(statistics.covariance, np.cov(features.T.astype(np.float64)))
    assert statistics.count == 50
    assert statistics.mean.dtype == statistics.covariance.dtype == np.float64


@given(
    counts=st.lists(st.integers(2, 30), min_size=2, max_size=5),
    dimension=st.integers(1, 6),
    offset=st.floats(-1e3, 1e3),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=50, deadline=None)
def test_merged_parts_equal_the_whole(counts, dimension, offset, seed):
    parts = [draw(count, dimension, seed) + i * offset for i, count in enumerate(counts)]
    whole = GaussianStatistics.from_features(np.concatenate(parts))
    merged, *rest = [GaussianStatistics.from_features(part) for part in parts]
    for part in rest:
        merged = merged.merge(part)
    scale = np.abs(whole.covariance).max()
    assert merged.count == whole.count
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(merged.covariance, whole.covariance, atol=1e-9 * scale)


def test_distance_to_itself_is_zero():
    features = draw(500, 84)
    assert distance(features, features) == pytest.approx(0, abs=1e-6)


def test_singular_covariances_have_a_distance():
    few = draw(10, 84, seed=1)
    dead = draw(500, 84, seed=2)
    dead[:, 40:] = 0
    assert distance(few, few) == pytest.approx(0, abs=1e-3)
    assert np.isfinite(distance(few, dead))
    assert distance(few, dead) == pytest.approx(distance(dead, few), rel=1e-6)


def test_images_that_are_all_alike_have_only_the_spread_of_the_reference():
    others = draw(500, 8)
    alike = np.tile(others.mean(axis=0), (5, 1))
    assert distance(alike, others) == pytest.approx(np.trace(np.cov(others.T)))


def test_order_of_images_and_of_features_does_not_matter():
    x, y = draw(200, 12, seed=1), draw(200, 12, seed=2)
    generator = np.random.default_rng(0)
    rows, columns = generator.permutation(200), generator.permutation(12)
    expected = pytest.approx(distance(x, y), rel=1e-9)
    assert distance(x[rows], y) == expected
    assert distance(x[:, columns], y[:, columns]) == expected


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value):
    features = draw(50, 4)
    features[3, 2] = value
    with pytest.raises(MetricUndefined, match="1 feature values are NaN or infinite"):
        GaussianStatistics.from_features(features)
    with pytest.raises(MetricUndefined, match="NaN or infinite"):
        gaussian([0, value], np.eye(2))


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_images_are_refused(count):
    with pytest.raises(MetricUndefined, match=f"{count} images; allowed: at least 2"):
        GaussianStatistics.from_features(np.zeros((count, 4)))


def test_shapes_that_do_not_fit_are_refused():
    reference = FrechetReference(gaussian([0, 0], np.eye(2)))
    three = gaussian([0, 0, 0], np.eye(3))
    with pytest.raises(ValueError, match="dimension 3; allowed: 2"):
        reference.distance(three)
    with pytest.raises(ValueError, match="dimension 3; allowed: 2"):
        reference.statistics.merge(three)
    with pytest.raises(ValueError, match=r"shape \(5,\)"):
        GaussianStatistics.from_features(np.zeros(5))
    with pytest.raises(ValueError, match=r"allowed: \(d,\) and \(d, d\)"):
        gaussian([0, 0], np.eye(3))


def test_too_few_images_for_the_dimension_are_warned_of(caplog):
    reference = FrechetReference(gaussian(np.zeros(8), np.eye(8)))
    with caplog.at_level(logging.WARNING):
        reference.distance(GaussianStatistics.from_features(draw(9, 8)))
        assert not caplog.records
        reference.distance(GaussianStatistics.from_features(draw(8, 8)))
    assert "8 scored images for 8 features" in caplog.text


def test_interval_surrounds_the_distance_and_shrinks_with_more_images():
    reference = FrechetReference(gaussian(np.zeros(8), np.eye(8)))
    widths = []
    for count in (100, 1000, 10_000):
        features = np.random.default_rng(1).normal(loc=0.5, size=(count, 8))
        low, high = fid_interval(features, reference, np.random.default_rng(0))
        point = reference.distance(GaussianStatistics.from_features(features))
        assert 0 <= low < point < high
        assert point - low == pytest.approx(high - point)
        widths.append(high - low)
    assert widths[0] > 2 * widths[1] > 4 * widths[2]


def test_interval_is_about_as_wide_as_the_spread_between_fresh_draws():
    reference = FrechetReference(gaussian(np.zeros(8), np.eye(8)))
    generator = np.random.default_rng(2)
    draws = [generator.normal(loc=0.5, size=(500, 8)) for _ in range(200)]
    spread = np.std([reference.distance(GaussianStatistics.from_features(x)) for x in draws])
    low, high = fid_interval(draws[0], reference, generator)
    assert (high - low) / 2 / 1.96 == pytest.approx(spread, rel=0.4)


def test_interval_repeats_with_its_seed_and_stops_at_zero():
    features = draw(30, 4)
    reference = FrechetReference(GaussianStatistics.from_features(features))
    low, high = fid_interval(features, reference, np.random.default_rng(5))
    assert (low, high) == fid_interval(features, reference, np.random.default_rng(5))
    assert low == 0 < high
    with pytest.raises(ValueError, match="resamples is 1; allowed: at least 2"):
        fid_interval(features, reference, np.random.default_rng(5), resamples=1)
