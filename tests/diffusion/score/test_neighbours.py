"""Precision, recall and copies: closed forms, brute force, and agreement with torch-fidelity."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch_fidelity import metric_prc

from diffusion.errors import MetricUndefined
from diffusion.score import neighbours as module
from diffusion.score.neighbours import nearest_distances, precision_recall


def normal(count, dimension=4, shift=0.0, seed=0):
    return np.random.default_rng(seed).normal(shift, size=(count, dimension))


def column(*values):
    return np.array(values, dtype=float)[:, None]


def random_images(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def direct_share(points, others, neighbours):
    """Return the share of the points in the balls of the others, pair by pair, in integers."""

    def squared(x, y):
        return np.square(x[:, None].astype(int) - y[None].astype(int)).sum(axis=2)

    radii = np.sort(squared(others, others), axis=1)[:, neighbours]
    return (squared(points, others) <= radii).any(axis=1).mean()


def direct_nearest(images, train_images):
    x, y = (part.flatten(1).double() / 255 for part in (images, train_images))
    return (x[:, None] - y[None]).square().mean(dim=2).sqrt().min(dim=1).values.numpy()


@pytest.mark.parametrize("neighbours", [1, 2, 3, 9])
def test_points_on_a_line_reach_to_their_neighbours(neighbours):
    # The balls of 0 ... 9 reach k beyond both ends.
    line, k = column(*range(10)), neighbours
    points = column(-k - 0.5, -k, 4.5, 9 + k, 9.5 + k, 1000, 1001, 1002, 1003, 1004)
    precision, _recall = precision_recall(points, line, neighbours=k)
    assert precision == 0.3
    _precision, recall = precision_recall(line, points, neighbours=k)
    assert recall == 0.3


def test_a_ball_holds_its_edge():
    grid = np.stack(np.mgrid[:5, :5], axis=-1).reshape(-1, 2).astype(float)
    # The third neighbour of a corner is the diagonal one; of (2, 0), one to the side.
    points = np.array([[-1, -1], [-1, -1.001], [2, -1], [2, -1.001]])
    precision, _recall = precision_recall(points, grid)
    assert precision == 0.5


@given(
    seed=st.integers(0, 2**32 - 1),
    counts=st.tuples(*[st.integers(5, 30)] * 2),
    dimension=st.integers(1, 3),
    neighbours=st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_shares_are_those_of_a_direct_count(seed, counts, dimension, neighbours):
    generator = np.random.default_rng(seed)
    x, y = (generator.integers(-4, 5, size=(count, dimension)) for count in counts)
    precision, recall = precision_recall(x, y, neighbours=neighbours)
    assert precision == direct_share(x, y, neighbours)
    assert recall == direct_share(y, x, neighbours)


@pytest.mark.parametrize(
    ("counts", "dimension", "shift", "neighbours"),
    [
        ((200, 300), 6, 0.5, 3),
        ((300, 200), 20, 0.2, 1),
        ((100, 100), 2, 1.0, 5),
        ((40, 500), 84, 0.1, 3),
    ],
)
def test_shares_agree_with_torch_fidelity(counts, dimension, shift, neighbours):
    x, y = normal(counts[0], dimension, shift), normal(counts[1], dimension, seed=1)
    theirs = metric_prc.prc_features_to_metric(
        torch.from_numpy(x),
        torch.from_numpy(y),
        prc_neighborhood=neighbours,
        prc_batch_size=64,
        save_cpu_ram=False,
        verbose=False,
    )
    precision, recall = precision_recall(x, y, neighbours=neighbours)
    assert 0 < precision < 1
    assert precision == pytest.approx(theirs["precision"], abs=1e-6)
    assert recall == pytest.approx(theirs["recall"], abs=1e-6)


@given(
    seed=st.integers(0, 2**32 - 1),
    distinct=st.integers(1, 20),
    repeats=st.integers(1, 6),
    offset=st.sampled_from([0.0, 0.1, 1e3, -1e6]),
)
@settings(max_examples=60, deadline=None)
def test_copies_have_full_precision_and_recall(seed, distinct, repeats, offset):
    # With more copies than neighbours the balls have no size.
    x = np.tile(normal(distinct, 7, offset, seed), (repeats, 1))
    x = np.concatenate([x, x[:4].repeat(4, axis=0)])
    assert precision_recall(np.random.default_rng(seed).permutation(x), x) == (1, 1)


def test_sets_far_apart_share_nothing():
    assert precision_recall(normal(50), normal(60, shift=100)) == (0, 0)


def test_dropped_modes_lower_recall_alone():
    modes = [normal(100, shift=20 * i, seed=i) for i in range(4)]
    fresh = [normal(100, shift=20 * i, seed=10 + i) for i in range(4)]
    scores = [
        precision_recall(np.concatenate(fresh[:n]), np.concatenate(modes)) for n in (4, 2, 1)
    ]
    precisions, recalls = zip(*scores, strict=True)
    assert min(precisions) > 0.8
    assert recalls[0] > 0.8
    assert recalls[1] == pytest.approx(recalls[0] / 2, abs=0.05)
    assert recalls[2] == pytest.approx(recalls[0] / 4, abs=0.05)


def test_outliers_lower_precision_alone():
    x, y, far = normal(300), normal(300, seed=1), normal(100, shift=1e4, seed=2)
    precision, recall = precision_recall(x, y)
    with_outliers = precision_recall(np.concatenate([x, far]), y)
    assert with_outliers == (pytest.approx(precision * 300 / 400), recall)


def test_more_neighbours_reach_further():
    scores = [precision_recall(normal(80), normal(90, seed=1), neighbours=k) for k in (1, 3, 9)]
    for shares in zip(*scores, strict=True):
        assert 0 < shares[0] < shares[1] < shares[2]


def test_sides_swap_precision_and_recall_in_chunks_of_any_size(monkeypatch):
    x, y = normal(120, shift=0.7), normal(75, seed=1)
    precision, recall = precision_recall(x, y)
    assert precision != recall
    for values in (1, 200, 75 * 7):
        monkeypatch.setattr(module, "CHUNK_VALUES", values)
        assert precision_recall(x, y) == (precision, recall)
        assert precision_recall(y, x) == (recall, precision)


def test_features_that_do_not_fit_are_refused():
    x = normal(10)
    with pytest.raises(MetricUndefined, match=r"among 3 scored and 10 .*allowed: at least 4 of"):
        precision_recall(x[:3], x)
    with pytest.raises(MetricUndefined, match=r"10 nearest .*; allowed: at least 11 of each"):
        precision_recall(x, x, neighbours=10)
    with pytest.raises(ValueError, match="neighbours is 0; allowed: at least 1"):
        precision_recall(x, x, neighbours=0)
    with pytest.raises(ValueError, match="dimension 4; allowed: 2"):
        precision_recall(x, x[:, :2])
    with pytest.raises(MetricUndefined, match="4 feature values are NaN"):
        precision_recall(x, np.concatenate([x, np.full((1, 4), np.nan)]))


@given(data=st.data(), channels=st.sampled_from([1, 3]), side=st.sampled_from([1, 3, 19]))
@settings(max_examples=40, deadline=None)
def test_nearest_distances_are_those_of_every_pair(data, channels, side):
    # 3 x 19 x 19 pixels are more than single precision multiplies exactly.
    images, train_images = (
        torch.from_numpy(data.draw(arrays.arrays(np.uint8, (count, channels, side, side))))
        for count in data.draw(st.tuples(st.integers(1, 4), st.integers(1, 6)))
    )
    found = nearest_distances(images, train_images)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, direct_nearest(images, train_images), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 32, 32), (3, 32, 32)])
@pytest.mark.parametrize("level", [0, 254])
def test_an_image_one_grey_level_from_a_copy_is_told_apart(shape, level):
    # Extreme levels make the largest products, whose rounding would hide the smallest difference.
    copies = torch.full((50, *shape), level, dtype=torch.uint8)
    pixels = copies[0].numel()
    for i in range(50):
        copies[i].view(-1)[: 2 * i] += 1
    found = nearest_distances(copies, copies[torch.randperm(50)])
    assert found.tolist() == [0] * 50
    between = copies.clone()
    for i in range(50):
        between[i].view(-1)[2 * i] += 1
    expected = np.full(50, np.sqrt(1 / pixels) / 255)
    np.testing.assert_allclose(nearest_distances(between, copies), expected, rtol=1e-12)


def test_memorised_digits_are_at_zero_and_held_out_ones_are_not(mnist5k):
    train_images, fresh = mnist5k.train_images, mnist5k.held_out_images[:40]
    memorised = train_images[torch.arange(0, len(train_images), 100)]
    distances = nearest_distances(torch.cat([fresh, memorised]), train_images)
    assert (distances[40:] == 0).all()
    assert (distances[:40] > 0.02).all()
    np.testing.assert_allclose(distances[:40:8], direct_nearest(fresh[::8], train_images))


@pytest.mark.parametrize("noise", [1, 5, 20])
def test_noise_on_a_copy_is_its_distance(mnist5k, noise):
    train_images = mnist5k.train_images[:500]
    signs = random_images(20, 1, 28, 28) % 2
    copies = (train_images[:20] // 2 + 40 + noise * signs).to(torch.uint8)
    found = nearest_distances(copies, train_images // 2 + 40)
    expected = noise / 255 * signs.double().flatten(1).mean(dim=1).sqrt().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_opposite_images_are_at_one_and_the_division_into_parts_does_not_matter(monkeypatch):
    black, white = (torch.full((1, 1, 4, 4), level, dtype=torch.uint8) for level in (0, 255))
    assert nearest_distances(black, white).tolist() == [1]
    images, train_images = random_images(23, 2, 6, 5), random_images(31, 2, 6, 5, seed=1)
    expected = nearest_distances(images, train_images)
    monkeypatch.setattr(module, "CHUNK_IMAGES", 7)
    np.testing.assert_array_equal(nearest_distances(images, train_images), expected)


@pytest.mark.parametrize(
    ("images", "train_images"),
    [
        (random_images(2, 1, 8, 8), random_images(5, 1, 8, 9)),
        (random_images(2, 1, 8, 8), random_images(5, 3, 8, 8)),
        (random_images(2, 1, 8, 8), random_images(0, 1, 8, 8)),
        (random_images(2, 1, 8, 8), random_images(5, 1, 8, 8).float()),
        (random_images(2, 1, 8, 8).float(), random_images(5, 1, 8, 8)),
    ],
)
def test_images_that_do_not_fit_are_refused(images, train_images):
    with pytest.raises(ValueError, match=r"images are .* allowed: .*uint8") as error:
        nearest_distances(images, train_images)
    for name, part in (("images", images), ("train_images", train_images)):
        assert f"{name} " in str(error.value)
        assert f"{list(part.shape)} {part.dtype}" in str(error.value)
