"""The variance-preserving samplers are those that their papers write, rescaled."""

import math
from itertools import pairwise

import pytest
import torch
from gaussian_denoiser import DATA, GaussianDenoiser, exact_noise, generator, white
from torch import nn

from diffusion.guidance import guide
from diffusion.process import NoisePredictionDenoiser
from diffusion.recipe import SamplingConfig, TrainingConfig
from diffusion.samplers import SAMPLERS, build_sampler
from diffusion.schedules import noise_levels


def eps_of(x_t, alpha_bar):
    """Stand in for a network that predicts noise, roughly: any function of both will do."""
    return 0.8 * x_t + alpha_bar * torch.tanh(2 * x_t.flip(-1)) - 0.1


def denoise_preserving(noisy, sigma):
    alpha_bar = 1 / (1 + sigma**2)
    return noisy - sigma * eps_of(math.sqrt(alpha_bar) * noisy, alpha_bar)


def ddim_textbook(x_t, alpha_bars, drawing, eta):
    """Equations 12 and 16 of Song, Meng and Ermon 2021."""
    for alpha_bar, alpha_bar_next in pairwise([*alpha_bars, 1.0]):
        eps = eps_of(x_t, alpha_bar)
        x_0 = (x_t - math.sqrt(1 - alpha_bar) * eps) / math.sqrt(alpha_bar)
        sigma_t = eta * math.sqrt(
            (1 - alpha_bar_next) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_next)
        )
        direction = math.sqrt(1 - alpha_bar_next - sigma_t**2) * eps
        x_t = math.sqrt(alpha_bar_next) * x_0 + direction
        if sigma_t > 0:
            x_t = x_t + sigma_t * torch.randn(x_t.shape, generator=drawing)
    return x_t


def ancestral_textbook(x_t, alpha_bars, drawing, eps=eps_of):
    """Algorithm 2 of Ho et al. 2020, with variance beta_t."""
    for alpha_bar, alpha_bar_next in pairwise([*alpha_bars, 1.0]):
        alpha = alpha_bar / alpha_bar_next
        beta = 1 - alpha
        share = beta / math.sqrt(1 - alpha_bar)
        x_t = (x_t - share * eps(x_t, alpha_bar)) / math.sqrt(alpha)
        if alpha_bar_next < 1:
            x_t = x_t + math.sqrt(beta) * torch.randn(x_t.shape, generator=drawing)
    return x_t


def preserving_levels(steps, schedule="uniform"):
    """Return a linear-beta schedule as sigmas and as alpha_bars."""
    denoiser = NoisePredictionDenoiser(nn.Identity(), TrainingConfig(train_images=1), DATA)
    sigmas = noise_levels(SamplingConfig(steps=steps, schedule=schedule), denoiser)
    return sigmas, [1 / (1 + sigma**2) for sigma in sigmas[:-1]]


@pytest.mark.parametrize("schedule", ["uniform", "quadratic"])
@pytest.mark.parametrize("steps", [3, 50])
@pytest.mark.parametrize(
    ("sampler", "options", "textbook"),
    [
        ("ddim", {"eta": 0.0}, ddim_textbook),
        ("ddim", {"eta": 0.5}, ddim_textbook),
        ("ddim", {"eta": 1.0}, ddim_textbook),
        ("ancestral", {}, ancestral_textbook),
    ],
)
def test_sampler_is_the_textbook_one_rescaled(sampler, options, textbook, steps, schedule):
    sigmas, alpha_bars = preserving_levels(steps, schedule)
    noise = exact_noise(3)
    images = SAMPLERS[sampler](denoise_preserving, noise, sigmas, generator(5), **options)
    start = noise * math.sqrt(1 - alpha_bars[0])
    expected = textbook(start, alpha_bars, generator(5), **options)
    torch.testing.assert_close(images, expected, rtol=1e-6, atol=1e-6)


class LabelledNoise(nn.Module):
    """A network that predicts noise by the published noise label, which counts to 1000."""

    def forward(self, images, noise_labels, class_labels):
        waves = torch.cos(60 * noise_labels + class_labels)[:, None, None, None]
        return 0.8 * images + waves * torch.tanh(images.flip(-1)) / 5


def test_published_sampling_is_its_999_guided_steps_in_the_linear_betas():
    betas = torch.linspace(1e-4, 0.02, 1_000, dtype=torch.float64)
    published = (1 - betas).cumprod(0).tolist()
    labels, hidden, network = torch.tensor([3, 8]), torch.tensor([10, 10]), LabelledNoise()

    def guided_eps(x_t, alpha_bar):
        share = torch.full((2,), published.index(alpha_bar) / 1_000, dtype=torch.float64)
        return torch.lerp(network(x_t, share, hidden), network(x_t, share, labels), 3.0)

    sampling = SamplingConfig("ancestral", steps=999, schedule="uniform", guidance=3.0)
    denoiser = NoisePredictionDenoiser(network, TrainingConfig(train_images=1), DATA)
    images = build_sampler(sampling)(
        guide(denoiser, labels, 10, sampling.guidance),
        white(2),
        noise_levels(sampling, denoiser),
        generator(5),
    )
    start = white(2).double() * math.sqrt(1 - published[999])
    expected = ancestral_textbook(start, published[:0:-1], generator(5), guided_eps)
    assert expected.std() > 0.1
    torch.testing.assert_close(images.double(), expected, rtol=1e-4, atol=1e-4)


def second_input(sampler, **options):
    """Return what a sampler gives the denoiser after one step from 2 to 1."""
    seen = []

    def denoise(noisy, sigma):
        seen.append(noisy)
        return GaussianDenoiser()(noisy, sigma)

    SAMPLERS[sampler](denoise, exact_noise(), [2.0, 1.0, 0.0], generator(5), **options)
    return seen[1]


def test_full_eta_differs_from_ancestral_sampling_only_in_the_variance():
    # alpha_bar is 1/5 at sigma 2 and 1/2 at sigma 1: beta is 3/5, the posterior's variance
    # beta * (1/2) / (4/5) = 3/8, and both are over alpha_bar = 1/2 here.
    fresh = white(seed=5).double()
    ancestral, ddim = second_input("ancestral"), second_input("ddim", eta=1.0)
    apart = fresh * (math.sqrt(6 / 5) - math.sqrt(3 / 4))
    torch.testing.assert_close(ancestral - ddim, apart, rtol=1e-6, atol=1e-6)
