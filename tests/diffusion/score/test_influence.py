"""The influence of an image on the Fréchet distance: the derivative by its weight."""

import numpy as np
import pytest

from diffusion.errors import MetricUndefined
from diffusion.score.frechet import FrechetReference, GaussianStatistics
from diffusion.score.influence import influences


def mixed(count, dimension, seed):
    """Draw correlated features with a mean of their own."""
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(dimension, dimension))
    return generator.normal(size=(count, dimension)) @ mixing + generator.normal(size=dimension)


def reference_of(features):
    return FrechetReference(GaussianStatistics.from_features(features))


def weighted_distance(features, weights, reference):
    """Return the distance of weighted images; even weights give the unbiased covariance."""
    count = len(features)
    mean = weights @ features
    centred = features - mean
    covariance = (centred * weights[:, None]).T @ centred * count / (count - 1)
    return reference.distance(GaussianStatistics(count, mean, covariance), warn=False)


def slope(features, position, reference, step):
    """Return the central difference of the distance by the weight of one image."""
    even = np.full(len(features), 1 / len(features))
    towards = np.eye(len(features))[position] - even
    ahead, behind = (
        weighted_distance(features, even + sign * step * towards, reference) for sign in (1, -1)
    )
    return (ahead - behind) / (2 * step)


@pytest.mark.parametrize("dimension", [1, 3, 6])
def test_influence_is_the_derivative_by_the_weight_of_an_image(dimension):
    features, reference = mixed(40, dimension, 0), reference_of(mixed(200, dimension, 1))
    expected = [slope(features, i, reference, 1e-5) for i in range(40)]
    np.testing.assert_allclose(influences(features, reference), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("count", "kept"), [(6, 10), (30, 4)], ids=["fewer images than features", "dead features"]
)
def test_influence_is_the_derivative_where_the_covariance_is_singular(count, kept):
    alive = np.arange(10) < kept
    features, reference = mixed(count, 10, 2) * alive, reference_of(mixed(200, 10, 3))
    found = influences(features, reference)
    expected = [slope(features, i, reference, 1e-5) for i in range(count)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_influence_is_the_derivative_against_a_singular_reference():
    features, reference = mixed(30, 6, 4), reference_of(mixed(200, 6, 5) * [1, 1, 1, 0, 0, 0])
    expected = [slope(features, i, reference, 1e-5) for i in range(30)]
    np.testing.assert_allclose(influences(features, reference), expected, rtol=1e-5, atol=1e-5)


def test_influence_on_one_feature_has_a_closed_form():
    x, reference = mixed(25, 1, 6), reference_of(mixed(50, 1, 7))
    centred, variance = (x - x.mean())[:, 0], x.var(ddof=1)
    ratio = np.sqrt(reference.statistics.covariance[0, 0] / variance)
    shift = x.mean() - reference.statistics.mean[0]
    expected = 2 * shift * centred + (1 - ratio) * (centred**2 * 25 / 24 - variance)
    np.testing.assert_allclose(influences(x, reference), expected, rtol=1e-9)


def test_influences_cancel_out_and_vanish_on_the_reference_itself():
    features, reference = mixed(60, 5, 8), reference_of(mixed(80, 5, 9))
    assert influences(features, reference).sum() == pytest.approx(0, abs=1e-9)
    own = influences(features, reference_of(features))
    np.testing.assert_allclose(own, 0, atol=1e-9)


def test_influences_are_finite_where_rounding_decides_the_rank():
    features = mixed(20, 30, 10) * np.logspace(0, -9, 30)
    found = influences(features, reference_of(mixed(200, 30, 11)))
    assert np.isfinite(found).all()
    assert np.abs(found).max() < 1e4


def test_what_has_no_distance_has_no_influences():
    reference = reference_of(mixed(20, 3, 12))
    with pytest.raises(MetricUndefined, match="covariance of 1 images"):
        influences(mixed(1, 3, 0), reference)
    with pytest.raises(MetricUndefined, match="NaN or infinite"):
        influences(np.full((5, 3), np.nan), reference)
    with pytest.raises(ValueError, match="dimension 4; allowed: 3"):
        influences(mixed(5, 4, 0), reference)
