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


def by_label(counts, dimension, spread, generator):
    """Draw features around a mean of each label, so many of each: [N, d] and labels [N]."""
    labels = np.repeat(np.arange(len(counts)), counts)
    means = np.random.default_rng(99).normal(scale=spread, size=(len(counts), dimension))
    return means[labels] + generator.normal(size=(len(labels), dimension)), labels


def half_width(features, reference, labels=None):
    low, high = fid_interval(features, reference, labels)
    point = distance(features, reference)
    assert low == pytest.approx(max(2 * point - high, 0))
    return high - point


def test_interval_surrounds_the_distance_and_shrinks_with_more_images():
    reference = standard(8)
    widths = []
    for count in (100, 1000, 10_000):
        features = np.random.default_rng(1).normal(loc=0.5, size=(count, 8))
        low, high = fid_interval(features, reference)
        point = distance(features, reference)
        assert 0 <= low < point < high
        assert point - low == pytest.approx(high - point)
        widths.append(high - low)
    assert widths[0] > 2 * widths[1] > 4 * widths[2]


@pytest.mark.parametrize("spread", [0.0, 1.0, 3.0])
@pytest.mark.parametrize(
    ("shift", "widest"),
    # At the floor the distance is quadratic in what chance brings, and its variance doubled.
    [(0.0, 1.15 * 2**0.5), (0.3, 1.25), (2.0, 1.25)],
    ids=["at the floor", "near it", "far off"],
)
@pytest.mark.parametrize("counts", [[100] * 4, [250, 100, 40, 10]], ids=["even", "uneven"])
def test_interval_is_as_wide_as_fresh_draws_of_the_same_labels_spread(
    counts, shift, widest, spread
):
    generator = np.random.default_rng(2)
    reference = FrechetReference(
        GaussianStatistics.from_features(
            by_label([50 * n for n in counts], 8, spread, generator)[0]
        )
    )
    draws = [by_label(counts, 8, spread, generator) for _ in range(200)]
    draws = [(features + shift, labels) for features, labels in draws]
    truth = 1.959964 * np.std([distance(x, reference) for x, _ in draws], ddof=1)
    shown = np.mean([half_width(x, reference, labels) for x, labels in draws[:40]])
    assert 0.8 < shown / truth < widest
    free = np.mean([half_width(x, reference) for x, _ in draws[:40]])
    if spread == 3 and shift:
        assert free > 2 * shown, "the labels explain most of the variance"
    if spread == 0:
        assert free == pytest.approx(shown, rel=0.1), "the labels explain nothing"


def test_interval_without_labels_is_that_of_one_label():
    features, reference = normal(50, 4, 0.5), standard(4)
    assert fid_interval(features, reference) == fid_interval(features, reference, np.full(50, 7))


def test_interval_depends_on_neither_order_nor_names_of_labels():
    features, labels = by_label([20, 30, 10], 4, 2.0, np.random.default_rng(0))
    reference, order = standard(4), np.random.default_rng(1).permutation(60)
    expected = fid_interval(features, reference, labels)
    assert fid_interval(features[order], reference, labels[order]) == pytest.approx(expected)
    names = np.array([30, -5, 7])[labels]
    assert fid_interval(features, reference, names) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("labels", "pooled"),
    [
        ([0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1]),
        ([0, 0, 0, 1, 2, 3], [0, 0, 0, 1, 1, 1]),
        ([0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 1, 1]),
        ([0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0]),
        ([0, 1, 2, 3, 4, 5], [0, 0, 0, 0, 0, 0]),
    ],
    ids=["none", "three", "one and a pair", "one and the rest", "all"],
)
def test_labels_with_one_image_are_pooled(labels, pooled):
    features, reference = normal(6, 2, 0.5), standard(2)
    found = fid_interval(features, reference, np.array(labels))
    assert np.isfinite(found).all()
    assert found == pytest.approx(fid_interval(features, reference, np.array(pooled)))


def test_interval_stops_at_zero_and_costs_no_chance():
    features = normal(30, 4)
    reference = FrechetReference(GaussianStatistics.from_features(normal(30, 4, seed=1)))
    low, high = fid_interval(features, reference)
    assert (low, high) == fid_interval(features, reference)
    assert low >= 0
    low, high = fid_interval(features[:6], reference)
    assert low == 0 < high


def test_interval_of_few_images_is_finite_and_warns_once(caplog):
    features = normal(8, 20)
    with caplog.at_level(logging.WARNING):
        low, high = fid_interval(features, standard(20), np.arange(8) % 2)
    assert len(caplog.records) == 1
    assert 0 < low < distance(features, standard(20)) < high < np.inf


def test_images_all_alike_have_an_interval_of_no_width():
    features, reference = np.ones((5, 3)), standard(3)
    low, high = fid_interval(features, reference)
    assert low == high == distance(features, reference)


def test_labels_of_other_images_are_refused():
    with pytest.raises(ValueError, match=r"labels have shape \(9,\); allowed: \(10,\)"):
        fid_interval(normal(10, 2), standard(2), np.zeros(9))


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
