"""Each formulation with the best network for Gaussian images: posterior mean and least loss."""

import math
from dataclasses import replace

import pytest
import torch
from gaussian_denoiser import AXES, DATA, MEAN, VARIANCES, generator
from hypothesis import given, settings
from hypothesis import strategies as st
from published_alpha_bars import ALPHA_BARS
from stub_denoisers import (
    NO_LABELS,
    SIGMA_DATA,
    SIGMAS,
    TRAINING,
    constant_denoiser,
    hidden_labels,
    loss_of,
    training_of,
    white,
)
from torch import nn

from diffusion.process import DENOISERS, build_denoiser

ALL = pytest.mark.parametrize(
    ("formulation", "beta_schedule"),
    [
        ("edm", "linear"),
        ("score_matching", "linear"),
        ("noise_prediction", "linear"),
        ("noise_prediction", "cosine"),
    ],
)


class Best(nn.Module):
    """The network that predicts best for the Gaussian images, but for a scale and a shift.

    It reads the noise level off its noise label, as the formulation's paper writes it.
    """

    def __init__(self, training, scale=1.0, shift=0.0):
        super().__init__()
        self.predict = getattr(self, training.formulation)
        sigmas = [math.sqrt(1 / alpha_bar - 1) for alpha_bar in ALPHA_BARS[training.beta_schedule]]
        self.log_sigmas = torch.tensor(sigmas, dtype=torch.float64).log()
        self.scale, self.shift = scale, shift

    def forward(self, images, noise_labels, class_labels):
        raw = self.predict(images.double().flatten(1), noise_labels.double()[:, None])
        return (self.scale * raw + self.shift).float().view_as(images)

    def edm(self, x, label):
        """F of Karras et al. 2022, equation 7: what is left of the posterior mean."""
        sigma = (4 * label).exp()
        size = (sigma**2 + SIGMA_DATA**2).sqrt()
        skipped = SIGMA_DATA**2 / size * x
        return (posterior_mean(x * size, sigma) - skipped) * size / (sigma * SIGMA_DATA)

    def score_matching(self, x, label):
        """std(t) times the score of images in [0, 1], at time t."""
        std = ((25 ** (2 * label) - 1) / (2 * math.log(25))).sqrt()
        return std * score(x, (MEAN + 1) / 2, VARIANCES / 4, std)

    def noise_prediction(self, x, label):
        """-sqrt(1 - alpha_bar) times the score of x_t (Ho et al. 2020, section 3.2)."""
        level = (1_000 * label).clamp(max=998.999_999).floor().long()
        share = 1_000 * label - level
        low, high = self.log_sigmas[level], self.log_sigmas[level + 1]
        alpha_bar = 1 / (1 + (low + share * (high - low)).exp() ** 2)
        std = (1 - alpha_bar).sqrt()
        return -std * score(x, alpha_bar.sqrt() * MEAN, alpha_bar * VARIANCES, std)


def score(x, mean, variances, std):
    """Return the gradient of the log density of N(mean, variances along AXES + std^2)."""
    return -((x - mean) @ AXES / (variances + std**2)) @ AXES.T


def posterior_mean(x, sigma, mean=MEAN, variances=VARIANCES):
    return x + sigma**2 * score(x, mean, variances, sigma)


def best_denoiser(formulation, beta_schedule="linear", **perturbation):
    training = training_of(formulation, beta_schedule)
    return DENOISERS[formulation](Best(training, **perturbation), training, DATA)


def gaussian_images(count, seed=0):
    noise = torch.randn(count, 4, generator=generator(seed), dtype=torch.float64)
    return (MEAN + noise * VARIANCES.sqrt() @ AXES.T).float().view(count, 1, 2, 2)


@ALL
def test_best_network_makes_the_posterior_mean(formulation, beta_schedule):
    denoiser = best_denoiser(formulation, beta_schedule)
    lowest, highest = denoiser.sigma_min, denoiser.sigma_at(torch.tensor(1.0)).item()
    sigma = torch.logspace(math.log10(lowest), math.log10(highest), 64)
    mean, variances = MEAN, VARIANCES
    if formulation == "score_matching":
        mean, variances = (MEAN + 1) / 2, VARIANCES / 4
    noisy = white(64, size=2) * sigma[:, None, None, None]
    denoised = denoiser(noisy, sigma, hidden_labels(64)).double().flatten(1)
    expected = posterior_mean(noisy.double().flatten(1), sigma.double()[:, None], mean, variances)
    # The network's float32 output is multiplied by sigma.
    assert ((denoised - expected).abs().amax(dim=1) < 1e-5 + 3e-6 * sigma).all()


@ALL
def test_images_come_back_to_the_range_from_minus_one_to_one(formulation, beta_schedule):
    # In [0, 1] the same noise is half as large.
    denoiser = best_denoiser(formulation, beta_schedule)
    half = formulation == "score_matching"
    noisy = gaussian_images(4) + 0.4 * white(4, size=2)
    given, sigma = ((noisy + 1) / 2, 0.2) if half else (noisy, 0.4)
    denoised = denoiser.to_signed_range(denoiser(given, torch.full((4,), sigma), NO_LABELS))
    expected = posterior_mean(noisy.double().flatten(1), 0.4)
    torch.testing.assert_close(denoised.double().flatten(1), expected, rtol=0, atol=2e-5)


def least_loss(formulation, beta_schedule):
    """Return the mean over noise levels of the weighted posterior variance, in closed form."""
    if formulation == "edm":
        levels = torch.linspace(-6, 6, 2_001, dtype=torch.float64)[:, None]
        density = (-(levels**2) / 2).exp() / (-(levels**2) / 2).exp().sum()
        sigma = (TRAINING.log_sigma_mean + TRAINING.log_sigma_std * levels).exp()
        weight = (sigma**2 + SIGMA_DATA**2) / (sigma * SIGMA_DATA) ** 2
        posterior_variances = VARIANCES * sigma**2 / (VARIANCES + sigma**2)
        return (density * weight * posterior_variances).sum().item() / 4
    # The variance that is left of the white noise.
    if formulation == "score_matching":
        times = torch.linspace(1e-5, 1, 2_001, dtype=torch.float64)[:, None]
        squares, variances = (25 ** (2 * times) - 1) / (2 * math.log(25)), VARIANCES / 4
    else:
        alpha_bars = torch.tensor(ALPHA_BARS[beta_schedule][1:], dtype=torch.float64)[:, None]
        squares, variances = 1 / alpha_bars - 1, VARIANCES
    return (variances / (variances + squares)).mean().item()


@ALL
def test_best_network_has_the_posterior_variance_for_loss(formulation, beta_schedule):
    denoiser = best_denoiser(formulation, beta_schedule)
    losses = torch.tensor(
        [loss_of(denoiser, gaussian_images(2_000, seed), seed + 100) for seed in range(20)]
    )
    expected, standard_error = least_loss(formulation, beta_schedule), losses.std() / 20**0.5
    assert losses.mean().item() == pytest.approx(expected, abs=5 * standard_error.item())
    assert standard_error < 0.02 * expected


@ALL
@pytest.mark.parametrize("shift", [-0.5, -0.2, 0.2, 0.5])
def test_loss_rises_with_the_square_of_a_networks_error(formulation, beta_schedule, shift):
    # Weighted as published, an error of the raw network counts the same at every noise level.
    images = gaussian_images(20_000)
    best = loss_of(best_denoiser(formulation, beta_schedule), images)
    worse = loss_of(best_denoiser(formulation, beta_schedule, shift=shift), images)
    # The cross term is 2 * shift * (mean of the best network's errors): five standard errors.
    tolerance = 5 * 2 * abs(shift) * math.sqrt(best / len(images))
    assert worse - best == pytest.approx(shift**2, abs=tolerance)


@ALL
@pytest.mark.parametrize("scale", [0.0, 0.8, 1.2])
def test_loss_is_least_at_the_best_scale(formulation, beta_schedule, scale):
    images = gaussian_images(20_000)
    best = loss_of(best_denoiser(formulation, beta_schedule), images)
    worse = loss_of(best_denoiser(formulation, beta_schedule, scale=scale), images)
    assert worse > best + 0.01


@ALL
def test_untrained_loss_is_about_one(formulation, beta_schedule):
    # The mean of 2^18 squared standard normals has a standard deviation of 0.003; `edm` needs
    # images of its own standard deviation for that, the others any.
    images = white(4_096, std=SIGMA_DATA)
    loss = loss_of(constant_denoiser(formulation, beta_schedule), images)
    assert loss == pytest.approx(1, abs=0.015)


@ALL
def test_loss_draws_from_its_generator_alone(formulation, beta_schedule):
    denoiser, images = constant_denoiser(formulation, beta_schedule, value=0.3), white(4)
    state = torch.get_rng_state()
    losses = [denoiser.loss(images, NO_LABELS, generator(seed)) for seed in (5, 5, 6)]
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(torch.get_rng_state(), state)


@ALL
def test_class_labels_reach_the_network(formulation, beta_schedule):
    denoiser, labels = constant_denoiser(formulation, beta_schedule), torch.tensor([3, 1, 4, 1])
    denoiser(white(4), SIGMAS, labels)
    assert torch.equal(denoiser.network.given[2], labels)
    denoiser.loss(white(4), labels.flip(0), generator())
    assert torch.equal(denoiser.network.given[2], labels.flip(0))


class Convolution(nn.Module):
    """A network of one layer that remembers the type of its output."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, images, noise_labels, class_labels):
        raw = self.conv(images)
        self.dtype = raw.dtype
        return raw


@ALL
@pytest.mark.parametrize(("precision", "inside"), [("bf16", "bfloat16"), ("float32", "float32")])
def test_any_precision_gives_float32(formulation, beta_schedule, precision, inside):
    training = training_of(formulation, beta_schedule, precision=precision)
    denoiser = DENOISERS[formulation](Convolution(), training, DATA)
    denoised = denoiser(white(4), SIGMAS, NO_LABELS)
    assert denoiser.network.dtype == getattr(torch, inside)
    assert denoised.dtype == torch.float32
    loss = denoiser.loss(white(4), NO_LABELS, generator())
    loss.backward()
    assert loss.dtype == torch.float32
    assert denoiser.network.conv.weight.grad.dtype == torch.float32
    assert 0 < denoiser.network.conv.weight.grad.norm() < math.inf


@ALL
def test_precisions_agree_about(tiny_recipe, tiny_network, formulation, beta_schedule):
    noisy, losses, outputs = white(4), [], []
    for precision in ("bf16", "float32"):
        training = training_of(formulation, beta_schedule, precision=precision)
        denoiser = build_denoiser(tiny_network, replace(tiny_recipe, training=training))
        assert type(denoiser) is DENOISERS[formulation]
        with torch.no_grad():
            outputs.append(denoiser(noisy, SIGMAS.clamp(max=1), NO_LABELS))
            losses.append(denoiser.loss(noisy, NO_LABELS, generator()).item())
    assert not torch.equal(*outputs)
    torch.testing.assert_close(*outputs, rtol=0.05, atol=0.05)
    assert losses[0] == pytest.approx(losses[1], rel=0.03)


@ALL
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_noise_levels_rise_with_time(formulation, beta_schedule, data):
    denoiser = constant_denoiser(formulation, beta_schedule)
    times = st.floats(denoiser.first_time, 1)
    early, late = sorted([data.draw(times), data.draw(times)])
    low, high = denoiser.sigma_at(torch.tensor([early, late], dtype=torch.float64)).tolist()
    assert low < high or late - early < 1e-12
    assert low <= high
