"""The denoiser against closed forms, with stub networks; guidance with stub denoisers."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from diffusion.process import SIGMA_DATA, EdmDenoiser, build_denoiser, guide
from diffusion.recipe import TrainingConfig

TRAINING = TrainingConfig(train_images=1)
NO_LABELS = torch.zeros(4, dtype=torch.int64)
SIGMAS = torch.tensor([0.002, 0.1, 1.0, 80.0])


class Constant(nn.Module):
    """A network that predicts one value and remembers what it was given."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, images, noise_labels, class_labels):
        self.given = images, noise_labels, class_labels
        return torch.full_like(images, self.value)


class LabelDenoiser(nn.Module):
    """D(x, sigma, label) = x + sigma * label; remembers the sizes of its batches."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, noisy, sigma, labels):
        self.batches.append(len(noisy))
        return noisy + (sigma * labels)[:, None, None, None]


def white(count, size=8, std=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return std * torch.randn(count, 1, size, size, generator=generator)


def test_zero_network_is_the_best_denoiser_of_white_images():
    # For x = y + n, y ~ N(0, s^2), n ~ N(0, sigma^2): E[y | x] = s^2 x / (s^2 + sigma^2).
    noisy = white(4)
    denoised = EdmDenoiser(Constant(0.0), TRAINING)(noisy, SIGMAS, NO_LABELS)
    factor = SIGMA_DATA**2 / (SIGMA_DATA**2 + SIGMAS**2)
    torch.testing.assert_close(denoised, factor[:, None, None, None] * noisy)


def test_network_counts_for_nothing_without_noise_and_for_all_in_much():
    noisy = white(4)
    denoiser = EdmDenoiser(Constant(1.0), TRAINING)
    clean = denoiser(noisy, torch.full((4,), 1e-6), NO_LABELS)
    torch.testing.assert_close(clean, noisy, rtol=1e-5, atol=1e-5)
    lost = denoiser(1e6 * noisy, torch.full((4,), 1e6), NO_LABELS)
    torch.testing.assert_close(lost, torch.full_like(noisy, SIGMA_DATA), rtol=1e-4, atol=1e-4)


def test_scale_of_the_output_is_c_out():
    noisy = white(4)
    ones, zeros = (
        EdmDenoiser(Constant(v), TRAINING)(noisy, SIGMAS, NO_LABELS) for v in (1.0, 0.0)
    )
    c_out = SIGMAS * SIGMA_DATA / (SIGMAS**2 + SIGMA_DATA**2).sqrt()
    expected = c_out[:, None, None, None].expand_as(noisy)
    torch.testing.assert_close(ones - zeros, expected, rtol=1e-4, atol=1e-6)


def test_network_is_given_unit_variance_and_the_log_of_the_noise_level():
    network = Constant(0.0)
    labels = torch.tensor([3, 1, 4, 1])
    noise = white(4, size=100, seed=1) * SIGMAS[:, None, None, None]
    noisy = white(4, size=100, std=SIGMA_DATA) + noise
    EdmDenoiser(network, TRAINING)(noisy, SIGMAS, labels)
    images, noise_labels, class_labels = network.given
    torch.testing.assert_close(images.std(dim=(1, 2, 3)), torch.ones(4), rtol=0.03, atol=0)
    torch.testing.assert_close(noise_labels, SIGMAS.log() / 4)
    assert torch.equal(class_labels, labels)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.2), (-1.2, 1.2), (3.0, 0.1), (-5.0, 0.5)])
def test_untrained_loss_of_white_images_is_one(mean, std):
    # The mean of 2^18 squared standard normals: its standard deviation is 0.003.
    training = TrainingConfig(train_images=1, log_sigma_mean=mean, log_sigma_std=std)
    denoiser = EdmDenoiser(Constant(0.0), training)
    images = white(4_096, std=SIGMA_DATA)
    labels = torch.zeros(4_096, dtype=torch.int64)
    loss = denoiser.loss(images, labels, torch.Generator().manual_seed(1))
    assert loss.item() == pytest.approx(1, abs=0.015)


def test_noise_levels_are_log_normal():
    network = Constant(0.0)
    training = TrainingConfig(train_images=1, log_sigma_mean=-0.7, log_sigma_std=1.5)
    labels = torch.zeros(20_000, dtype=torch.int64)
    images = torch.zeros(20_000, 1, 1, 1)
    EdmDenoiser(network, training).loss(images, labels, torch.Generator().manual_seed(0))
    log_sigma = 4 * network.given[1]
    assert log_sigma.mean().item() == pytest.approx(-0.7, abs=0.04)
    assert log_sigma.std().item() == pytest.approx(1.5, rel=0.02)
    assert (log_sigma < -0.7).double().mean().item() == pytest.approx(0.5, abs=0.015)


def test_loss_draws_from_its_generator_alone():
    denoiser = EdmDenoiser(Constant(0.0), TRAINING)
    images = white(4)
    state = torch.get_rng_state()
    losses = [
        denoiser.loss(images, NO_LABELS, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)
    ]
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(torch.get_rng_state(), state)


class Convolution(nn.Module):
    """A network of one layer that remembers the type of its output."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, images, noise_labels, class_labels):
        raw = self.conv(images)
        self.dtype = raw.dtype
        return raw


@pytest.mark.parametrize(("precision", "inside"), [("bf16", "bfloat16"), ("float32", "float32")])
def test_any_precision_gives_float32(precision, inside):
    network = Convolution()
    training = TrainingConfig(train_images=1, precision=precision)
    denoised = EdmDenoiser(network, training)(white(4), SIGMAS, NO_LABELS)
    assert network.dtype == getattr(torch, inside)
    assert denoised.dtype == torch.float32


def test_precisions_agree_about(tiny_recipe, tiny_network):
    noisy = white(4)
    halves = replace(tiny_recipe, training=replace(tiny_recipe.training, precision="bf16"))
    with torch.no_grad():
        coarse = build_denoiser(tiny_network, halves)(noisy, SIGMAS, NO_LABELS)
        exact = build_denoiser(tiny_network, tiny_recipe)(noisy, SIGMAS, NO_LABELS)
    assert not torch.equal(coarse, exact)
    torch.testing.assert_close(coarse, exact, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("guidance", [0, 0.0, 0.5, 1, 1.0, 1.5, 4.0])
def test_guidance_extrapolates_from_hidden_to_label(guidance):
    # D = D(hidden) + guidance * (D(label) - D(hidden)), with D linear in the label.
    labels, hidden, sigma = torch.tensor([0, 1, 2]), 7, 0.5
    denoiser = LabelDenoiser()
    noisy = white(3)
    denoised = guide(denoiser, labels, hidden, guidance)(noisy, sigma)
    effective = hidden + guidance * (labels - hidden)
    torch.testing.assert_close(denoised, noisy + sigma * effective[:, None, None, None])
    assert denoiser.batches == [3 if guidance in (0, 1) else 6]


@pytest.mark.parametrize("guidance", [0.0, 1.0, 1.5])
def test_guided_denoiser_is_called_once_a_step(guidance):
    denoiser = LabelDenoiser()
    denoise = guide(denoiser, torch.tensor([0, 1]), 2, guidance)
    for sigma in (3.0, 2.0, 1.0):
        denoise(white(2), sigma)
    assert denoiser.batches == [4 if guidance == 1.5 else 2] * 3
