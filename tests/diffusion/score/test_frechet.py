"""The Fréchet distance against closed forms, other implementations and its own properties."""

import logging
import weakref

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric
from torchmetrics.image.fid import _compute_fid

from diffusion.errors import MetricUndefined
from diffusion.score.frechet import FrechetReference, GaussianStatistics


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


def few(seed):
    return draw(30, 84, seed)


def with_dead_features(seed):
    features = draw(500, 84, seed).clip(min=0)
    features[:, 40 + seed :] = 0
    return features


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (draw(500, 84, seed=1), draw(600, 84, seed=2)),
        (draw(500, 3, seed=1), draw(500, 3, seed=1) + 0.1),
        (few(1), few(2)),
        (few(1), draw(500, 84, seed=2)),
        (with_dead_features(1), with_dead_features(2)),
        (few(1), with_dead_features(2)),
    ],
    ids=["full", "shifted", "few", "few against full", "dead", "few against dead"],
)
def test_distance_agrees_with_torch_fidelity_and_torchmetrics(x, y):
    first, second = ((part.mean(axis=0), np.cov(part.T)) for part in (x, y))
    stats = [dict(zip(("mu", "sigma"), part, strict=True)) for part in (first, second)]
    theirs = fid_statistics_to_metric(*stats, verbose=False)[KEY_METRIC_FID]
    assert distance(x, y) == pytest.approx(theirs, rel=1e-6)
    tensors = [torch.from_numpy(part) for part in (*first, *second)]
    assert distance(x, y) == pytest.approx(_compute_fid(*tensors).item(), rel=1e-6)


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


@given(
    cuts=st.lists(st.integers(0, 60), max_size=8).map(sorted),
    dimension=st.integers(1, 6),
    offset=st.floats(-10, 10),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_batches_of_any_sizes_equal_the_whole(cuts, dimension, offset, seed):
    # Neighbouring cuts make batches of one image and of none.
    features = draw(60, dimension, seed) + offset
    streamed = GaussianStatistics.from_batches(iter(np.split(features, cuts)))
    mean, covariance = features.mean(axis=0), np.atleast_2d(np.cov(features.T))
    scale = np.abs(covariance).max() + np.square(mean).max()
    assert streamed.count == 60
    np.testing.assert_allclose(streamed.mean, mean, rtol=0, atol=1e-12 * np.sqrt(scale))
    np.testing.assert_allclose(streamed.covariance, covariance, rtol=0, atol=1e-12 * scale)


def test_batches_are_held_one_at_a_time():
    alive = []

    def batches():
        for seed in range(5):
            batch = draw(10, 3, seed)
            alive.append(weakref.ref(batch))
            yield batch
            del batch
            assert sum(reference() is not None for reference in alive) <= 1

    assert GaussianStatistics.from_batches(batches()).count == 50
    assert len(alive) == 5


@pytest.mark.parametrize("sizes", [(), (0,), (1,), (0, 1, 0)])
def test_batches_of_fewer_than_two_images_are_refused(sizes):
    with pytest.raises(MetricUndefined, match=f"{sum(sizes)} images; allowed: at least 2"):
        GaussianStatistics.from_batches(np.zeros((size, 3)) for size in sizes)


def test_batches_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="dimension 4; allowed: 3"):
        GaussianStatistics.from_batches([draw(5, 3), draw(5, 4)])
    with pytest.raises(MetricUndefined, match="4 feature values are NaN or infinite"):
        GaussianStatistics.from_batches([draw(5, 4), np.full((1, 4), np.nan)])


@pytest.mark.parametrize("others", [draw(300, 12), draw(6, 12), with_dead_features(1)[:, 30:42]])
def test_root_is_symmetric_and_its_square_is_the_covariance(others):
    reference = FrechetReference(GaussianStatistics.from_features(others))
    root, covariance = reference.root, reference.statistics.covariance
    np.testing.assert_allclose(root, root.T, atol=1e-12)
    np.testing.assert_allclose(root @ root, covariance, atol=1e-10 * covariance.max())


def test_stored_root_gives_the_same_distance_without_a_decomposition(monkeypatch):
    first = FrechetReference(GaussianStatistics.from_features(draw(300, 12)))
    scored = GaussianStatistics.from_features(draw(200, 12, seed=1))
    expected = first.distance(scored)
    monkeypatch.setattr(np.linalg, "eigh", None)
    assert FrechetReference(first.statistics, first.root.copy()).distance(scored) == expected
    other = FrechetReference(first.statistics, np.zeros((12, 12)))
    assert other.distance(scored) > expected


def test_roots_that_do_not_fit_are_refused():
    statistics = gaussian([0, 0], np.eye(2))
    for shape in ((3, 3), (2,), (1, 2)):
        with pytest.raises(ValueError, match=r"root is \(.*allowed: \(2, 2\), as the covariance"):
            FrechetReference(statistics, np.ones(shape))
    with pytest.raises(MetricUndefined, match="1 feature values are NaN or infinite"):
        FrechetReference(statistics, np.array([[1, np.inf], [0, 1]]))


def test_distance_to_itself_is_zero():
    features = draw(500, 84)
    assert distance(features, features) == pytest.approx(0, abs=1e-6)


def test_singular_covariances_have_a_distance():
    x, y = few(1), with_dead_features(2)
    assert distance(x, x) == pytest.approx(0, abs=1e-3)
    assert distance(x, y) == pytest.approx(distance(y, x), rel=1e-6)


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
        caplog.clear()
        reference.distance(GaussianStatistics.from_features(draw(8, 8)), warn=False)
        assert not caplog.records
