"""Each formulation by its formulas: what its network is given and what becomes of its output."""

import math
from dataclasses import replace

import pytest
import torch
from gaussian_denoiser import DATA
from published_alpha_bars import ALPHA_BARS
from stub_denoisers import (
    NO_LABELS,
    SIGMA_DATA,
    SIGMAS,
    TRAINING,
    Constant,
    constant_denoiser,
    hidden_labels,
    loss_of,
    white,
)

from diffusion.data import to_signed_range
from diffusion.process import EdmDenoiser
from diffusion.recipe import TrainingConfig

STANDARDIZING = TrainingConfig(train_images=1, standardize=True)


# `edm`.


def test_zero_network_is_the_best_denoiser_of_white_images():
    # For x = y + n, y ~ N(0, s^2), n ~ N(0, sigma^2): E[y | x] = s^2 x / (s^2 + sigma^2).
    noisy = white(4)
    denoised = EdmDenoiser(Constant(0.0), TRAINING, DATA)(noisy, SIGMAS, NO_LABELS)
    factor = SIGMA_DATA**2 / (SIGMA_DATA**2 + SIGMAS**2)
    torch.testing.assert_close(denoised, factor[:, None, None, None] * noisy)


def test_network_counts_for_nothing_without_noise_and_for_all_in_much():
    noisy = white(4)
    denoiser = EdmDenoiser(Constant(1.0), TRAINING, DATA)
    clean = denoiser(noisy, torch.full((4,), 1e-6), NO_LABELS)
    torch.testing.assert_close(clean, noisy, rtol=1e-5, atol=1e-5)
    lost = denoiser(1e6 * noisy, torch.full((4,), 1e6), NO_LABELS)
    torch.testing.assert_close(lost, torch.full_like(noisy, SIGMA_DATA), rtol=1e-4, atol=1e-4)


def test_scale_of_the_output_is_c_out():
    noisy = white(4)
    ones, zeros = (
        EdmDenoiser(Constant(v), TRAINING, DATA)(noisy, SIGMAS, NO_LABELS) for v in (1.0, 0.0)
    )
    c_out = SIGMAS * SIGMA_DATA / (SIGMAS**2 + SIGMA_DATA**2).sqrt()
    expected = c_out[:, None, None, None].expand_as(noisy)
    torch.testing.assert_close(ones - zeros, expected, rtol=1e-4, atol=1e-6)


def test_network_is_given_unit_variance_and_the_log_of_the_noise_level():
    network = Constant(0.0)
    labels = torch.tensor([3, 1, 4, 1])
    noise = white(4, size=100, seed=1) * SIGMAS[:, None, None, None]
    noisy = white(4, size=100, std=SIGMA_DATA) + noise
    EdmDenoiser(network, TRAINING, DATA)(noisy, SIGMAS, labels)
    images, noise_labels, class_labels = network.given
    torch.testing.assert_close(images.std(dim=(1, 2, 3)), torch.ones(4), rtol=0.03, atol=0)
    torch.testing.assert_close(noise_labels, SIGMAS.log() / 4)
    assert torch.equal(class_labels, labels)


@pytest.mark.parametrize(("mean", "std"), [(-1.2, 1.2), (3.0, 0.1), (-5.0, 0.5)])
def test_untrained_loss_is_one_at_any_noise_levels(mean, std):
    # The mean of 2^18 squared standard normals: its standard deviation is 0.003.
    training = TrainingConfig(train_images=1, log_sigma_mean=mean, log_sigma_std=std)
    loss = loss_of(EdmDenoiser(Constant(0.0), training, DATA), white(4_096, std=SIGMA_DATA))
    assert loss == pytest.approx(1, abs=0.015)


def test_untrained_loss_is_one_on_digits(mnist5k):
    images = to_signed_range(mnist5k.train_images)
    data = mnist5k.config()
    standardizing = EdmDenoiser(Constant(0.0), STANDARDIZING, data)
    assert loss_of(standardizing, images) == pytest.approx(1, abs=0.05)
    assert loss_of(EdmDenoiser(Constant(0.0), TRAINING, data), images) > 2.5


@pytest.mark.parametrize(("mean", "std"), [(-0.74, 0.62), (0.3, 0.2)])
def test_images_are_standardised_by_their_own_statistics(mean, std):
    data = replace(DATA, pixel_mean=mean, pixel_std=std)
    noisy, network = white(4), Constant(0.7)
    denoised = EdmDenoiser(network, STANDARDIZING, data)(noisy, SIGMAS, NO_LABELS)
    sigma = SIGMAS[:, None, None, None]
    size = (sigma**2 + std**2).sqrt()
    skipped = (noisy - mean) * std**2 / size**2
    torch.testing.assert_close(denoised, mean + skipped + 0.7 * sigma * std / size)
    torch.testing.assert_close(network.given[0], (noisy - mean) / size)


def test_data_without_statistics_is_denoised_as_before_to_the_bit():
    noisy, network = white(4), Constant(0.7)
    variance = SIGMAS**2 + 0.5**2
    c_skip, c_out, c_in = 0.5**2 / variance, SIGMAS * 0.5 / variance.sqrt(), 1 / variance.sqrt()
    c_skip, c_out, c_in = (c[:, None, None, None] for c in (c_skip, c_out, c_in))
    denoised = EdmDenoiser(network, TRAINING, DATA)(noisy, SIGMAS, NO_LABELS)
    assert torch.equal(denoised, c_skip * noisy + c_out * torch.full_like(noisy, 0.7))
    assert torch.equal(network.given[0], c_in * noisy)


def test_noise_levels_are_log_normal():
    network = Constant(0.0)
    training = TrainingConfig(train_images=1, log_sigma_mean=-0.7, log_sigma_std=1.5)
    loss_of(EdmDenoiser(network, training, DATA), torch.zeros(20_000, 1, 1, 1))
    log_sigma = 4 * network.given[1]
    assert log_sigma.mean().item() == pytest.approx(-0.7, abs=0.04)
    assert log_sigma.std().item() == pytest.approx(1.5, rel=0.02)
    assert (log_sigma < -0.7).double().mean().item() == pytest.approx(0.5, abs=0.015)


def test_edm_noise_levels_grow_geometrically():
    times = torch.linspace(0, 1, 5)
    expected = [0.02 * 4_000**time for time in times.tolist()]
    assert constant_denoiser("edm").sigma_at(times).tolist() == pytest.approx(expected)


# `score_matching`.


def test_score_is_the_networks_output_over_the_noise_level():
    # D = x + sigma^2 * score, at the published noise label: the time, from 1e-5 to 1.
    denoiser, noisy = constant_denoiser("score_matching", value=0.7), white(3)
    times = torch.tensor([1e-3, 0.3, 1.0], dtype=torch.float64)
    sigma = denoiser.sigma_at(times).float()
    denoised = denoiser(noisy, sigma, hidden_labels(3))
    torch.testing.assert_close(denoised, noisy + 0.7 * sigma[:, None, None, None])
    images, noise_labels, _ = denoiser.network.given
    assert torch.equal(images, noisy)
    torch.testing.assert_close(noise_labels, times.float(), rtol=1e-6, atol=0)


def test_score_matching_trains_in_the_unit_range_on_uniform_times():
    count = 20_000
    denoiser = constant_denoiser("score_matching")
    loss_of(denoiser, torch.ones(count, 1, 2, 2))
    images, times, _ = denoiser.network.given
    assert 1e-5 <= times.min() < 1e-5 + 10 / count
    assert 1 - 10 / count < times.max() <= 1
    assert times.mean().item() == pytest.approx(0.5, abs=5 / math.sqrt(12 * count))
    assert times.var().item() == pytest.approx(1 / 12, rel=0.03)
    # White pixels are 1 here, and noise has the standard deviation of its time.
    std = ((25 ** (2 * times) - 1) / (2 * math.log(25))).sqrt()
    whitened = (images - 1) / std[:, None, None, None]
    assert whitened.mean().item() == pytest.approx(0, abs=5 / math.sqrt(4 * count))
    assert whitened.var().item() == pytest.approx(1, abs=5 * math.sqrt(2 / (4 * count)))


# `noise_prediction`.


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_noise_label_is_the_level_in_thousandths(schedule):
    denoiser = constant_denoiser("noise_prediction", schedule)
    sigmas = torch.tensor([math.sqrt(1 / a - 1) for a in ALPHA_BARS[schedule]]).double()
    middles = (sigmas[1:] * sigmas[:-1]).sqrt()
    for sigma, expected in (
        (sigmas, torch.arange(1_000) / 1_000),
        (middles, (torch.arange(999) + 0.5) / 1_000),
        (torch.tensor([1e-4, 1e6]), torch.tensor([0.0, 0.999])),  # flat outside
    ):
        denoiser(white(len(sigma), size=1), sigma.float(), hidden_labels(len(sigma)))
        torch.testing.assert_close(denoiser.network.given[1], expected, rtol=0, atol=2e-7)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_preserving_times_are_counted_from_one(schedule):
    denoiser = constant_denoiser("noise_prediction", schedule)
    sigmas = [math.sqrt(1 / a - 1) for a in ALPHA_BARS[schedule]]
    times = torch.tensor([0.001, 0.002, 0.5, 0.7, 0.999, 1.0], dtype=torch.float64)
    expected = [sigmas[i] for i in (0, 1, 499, 699, 998, 999)]
    assert denoiser.sigma_at(times).tolist() == pytest.approx(expected, rel=1e-9)
    between = denoiser.sigma_at(torch.tensor([0.50025], dtype=torch.float64)).item()
    assert between == pytest.approx(sigmas[499] ** 0.75 * sigmas[500] ** 0.25)


def test_noise_is_predicted_from_images_of_kept_variance():
    # x_t = sqrt(alpha_bar) y + sqrt(1 - alpha_bar) eps, and D = x - sigma * eps.
    denoiser = constant_denoiser("noise_prediction", value=0.7)
    noisy, alpha_bars = white(3), torch.tensor([ALPHA_BARS["linear"][i] for i in (1, 500, 999)])
    sigma = (1 / alpha_bars - 1).sqrt()
    denoised = denoiser(noisy, sigma, hidden_labels(3))
    torch.testing.assert_close(denoised, noisy - 0.7 * sigma[:, None, None, None])
    scaled = alpha_bars.sqrt()[:, None, None, None] * noisy
    torch.testing.assert_close(denoiser.network.given[0], scaled)


def test_noise_prediction_trains_on_all_levels_but_the_lowest():
    count = 50_000
    denoiser = constant_denoiser("noise_prediction")
    loss_of(denoiser, torch.full((count, 1, 1, 1), 0.5))
    scaled, noise_labels, _ = denoiser.network.given
    levels = (noise_labels * 1_000).round().long()
    torch.testing.assert_close(noise_labels, levels / 1_000, rtol=0, atol=1e-7)
    assert levels.unique().tolist() == list(range(1, 1_000))
    assert levels.double().mean().item() == pytest.approx(
        500, abs=5 * 1_000 / math.sqrt(12 * count)
    )
    alpha_bars = torch.tensor(ALPHA_BARS["linear"])[levels]
    whitened = (scaled.flatten() - 0.5 * alpha_bars.sqrt()) / (1 - alpha_bars).sqrt()
    assert whitened.mean().item() == pytest.approx(0, abs=5 / math.sqrt(count))
    assert whitened.var().item() == pytest.approx(1, abs=5 * math.sqrt(2 / count))
