"""Structural similarity: closed forms, bounds, and agreement with a direct implementation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.ndimage import gaussian_filter

from diffusion.score.similarity import BATCH_SIZE, WINDOW_SIZE, ssim

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def constant(level, shape=(1, 1, 14, 12)):
    return torch.full(shape, level, dtype=torch.uint8)


def random_images(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def window():
    """Return the 11x11 Gaussian window of standard deviation 1.5, which sums to 1."""
    rows, columns = np.mgrid[-5:6, -5:6]
    weights = np.exp(-(rows**2 + columns**2) / (2 * 1.5**2))
    return weights / weights.sum()


def similarity(x, y, weights):
    """Return the similarity of two windows, equation 13."""
    mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
    variance_x = (weights * (x - mean_x) ** 2).sum()
    variance_y = (weights * (y - mean_y) ** 2).sum()
    covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
    above = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    return above / ((mean_x**2 + mean_y**2 + C1) * (variance_x + variance_y + C2))


def direct_ssim(x, y):
    """Average the similarity of every window of two [H, W] images, by scipy's filter."""

    def blur(values):
        return gaussian_filter(values, 1.5, truncate=3.5)[5:-5, 5:-5]

    x, y = x.astype(float), y.astype(float)
    mean_x, mean_y = blur(x), blur(y)
    variances = blur(x * x) - mean_x**2 + blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    above = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    return (above / ((mean_x**2 + mean_y**2 + C1) * (variances + C2))).mean()


def pairs():
    """Pairs of small images of one shape."""
    sides = st.integers(WINDOW_SIZE, 14)
    shapes = st.tuples(st.integers(1, 2), st.sampled_from([1, 3]), sides, sides)
    return shapes.flatmap(
        lambda shape: st.tuples(arrays.arrays(np.uint8, shape), arrays.arrays(np.uint8, shape))
    ).map(lambda pair: tuple(map(torch.from_numpy, pair)))


@given(pair=pairs())
@settings(max_examples=25, deadline=None)
def test_similarity_is_symmetric_bounded_and_one_for_equal_images(pair):
    first, second = pair
    values = ssim(first, second)
    assert values.shape == (len(first),)
    assert values.dtype == torch.float64
    assert values.abs().max() <= 1 + 1e-9
    torch.testing.assert_close(ssim(second, first), values, rtol=0, atol=1e-12)
    one = torch.ones(len(first), dtype=torch.float64)
    torch.testing.assert_close(ssim(first, first), one, rtol=0, atol=1e-12)


@given(pair=pairs())
@settings(max_examples=25, deadline=None)
def test_similarity_turns_with_both_images(pair):
    expected = ssim(*pair)
    for turn in (
        lambda x: x.flip(2),
        lambda x: x.flip(3),
        lambda x: x.transpose(2, 3),
        lambda x: x.flip(1),
    ):
        torch.testing.assert_close(ssim(*map(turn, pair)), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("first", "second"), [(0, 0), (255, 255), (0, 255), (0, 1), (10, 20), (100, 200)]
)
def test_constant_images_differ_in_luminance_alone(first, second):
    expected = (2 * first * second + C1) / (first**2 + second**2 + C1)
    assert ssim(constant(first), constant(second)).item() == pytest.approx(expected, rel=1e-9)


def checkerboard(mean, contrast, size=16):
    rows, columns = np.mgrid[:size, :size]
    levels = mean + contrast * (-1) ** (rows + columns)
    return torch.from_numpy(levels.astype(np.uint8))[None, None]


@pytest.mark.parametrize(
    ("mean", "contrast", "other_mean", "other_contrast"),
    [
        (128, 100, 128, 50),
        (128, 100, 128, 1),
        (128, 100, 128, 0),
        (128, 100, 128, -100),
        (60, 50, 180, 25),
        (20, 20, 40, 40),
    ],
)
def test_scaled_contrast_of_a_checkerboard(mean, contrast, other_mean, other_contrast):
    # In every window of a fine checkerboard the mean and the variance are nearly the same.
    luminance = (2 * mean * other_mean + C1) / (mean**2 + other_mean**2 + C1)
    structure = (2 * contrast * other_contrast + C2) / (contrast**2 + other_contrast**2 + C2)
    found = ssim(checkerboard(mean, contrast), checkerboard(other_mean, other_contrast))
    assert found.item() == pytest.approx(luminance * structure, abs=1e-6)


def test_images_of_the_window_size_are_one_window():
    first, second = random_images((2, 1, 11, 11))
    expected = similarity(first[0].double().numpy(), second[0].double().numpy(), window())
    found = ssim(first[None], second[None])
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_every_window_inside_the_image_counts_the_same():
    first, second = random_images((2, 1, 13, 12), seed=1)
    x, y = first[0].double().numpy(), second[0].double().numpy()
    expected = np.mean(
        [
            similarity(x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11], window())
            for i in range(3)
            for j in range(2)
        ]
    )
    assert ssim(first[None], second[None]).item() == pytest.approx(expected, rel=1e-9)


def test_digits_score_as_by_the_direct_implementation(mnist5k):
    first, second = mnist5k.train_images[:24], mnist5k.held_out_images[:24]
    expected = [
        direct_ssim(x[0].numpy(), y[0].numpy()) for x, y in zip(first, second, strict=True)
    ]
    found = ssim(first, second)
    assert found.std() > 0.05
    assert found.tolist() == pytest.approx(expected, abs=1e-9)


def test_channels_count_the_same_and_do_not_mix():
    first, second = random_images((2, 5, 3, 12, 15))
    grey = [ssim(first[:, [c]], second[:, [c]]) for c in range(3)]
    torch.testing.assert_close(ssim(first, second), torch.stack(grey).mean(dim=0))


def test_an_image_scores_the_same_in_any_batch():
    first, second = random_images((2, BATCH_SIZE + 3, 1, 11, 12))
    values = ssim(first, second)
    assert values.shape == (BATCH_SIZE + 3,)
    for i in (0, BATCH_SIZE - 1, BATCH_SIZE, BATCH_SIZE + 2):
        torch.testing.assert_close(values[i : i + 1], ssim(first[[i]], second[[i]]))


def test_more_noise_is_less_similar(mnist5k):
    images = mnist5k.held_out_images[:50]
    noise = random_images(images.shape).double()
    values = [
        ssim(images, ((1 - share) * images + share * noise).to(torch.uint8)).mean().item()
        for share in (0.0, 0.02, 0.1, 0.3, 0.6, 1.0)
    ]
    assert values[0] == pytest.approx(1)
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((2, 1, 28, 28), (3, 1, 28, 28)),
        ((2, 1, 28, 28), (2, 3, 28, 28)),
        ((2, 1, 28, 28), (2, 1, 28, 27)),
        ((2, 1, 10, 28), (2, 1, 10, 28)),
        ((2, 1, 28, 10), (2, 1, 28, 10)),
    ],
)
def test_images_that_do_not_fit_are_refused(first, second):
    with pytest.raises(ValueError, match="allowed: equal shapes of 11 pixels or more") as error:
        ssim(random_images(first), random_images(second))
    assert f"images are {list(first)} torch.uint8 and {list(second)} torch" in str(error.value)


def test_images_that_are_not_bytes_are_refused():
    images = random_images((2, 1, 28, 28))
    with pytest.raises(ValueError, match=r"torch.float32; allowed: .*, torch.uint8"):
        ssim(images, images / 255)
