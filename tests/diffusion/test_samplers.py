"""The samplers on Gaussian data, where the denoiser and the paths are known exactly."""

import math
from itertools import pairwise

import pytest
import torch

from diffusion.samplers import SAMPLERS, SIGMA_MAX, SIGMA_MIN, karras_sigmas

MEAN, STD = 0.3, 0.5
ALL = pytest.mark.parametrize("sampler", SAMPLERS)


class GaussianDenoiser:
    """E[y | y + n] for images y ~ N(MEAN, STD^2) and noise n ~ N(0, sigma^2); counts its calls."""

    def __init__(self):
        self.calls = []

    def __call__(self, noisy, sigma):
        self.calls.append(sigma)
        return (STD**2 * noisy + sigma**2 * MEAN) / (STD**2 + sigma**2)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def white(count=64, dtype=torch.float32, seed=0):
    return torch.randn(count, 1, 8, 8, generator=generator(seed), dtype=dtype)


def draw(sampler, steps, noise, seed=0, sigma_min=SIGMA_MIN):
    sigmas = karras_sigmas(steps, sigma_min=sigma_min)
    return SAMPLERS[sampler](GaussianDenoiser(), noise, sigmas, generator(seed))


def exact_end(noise):
    """Follow the probability flow x = MEAN + (x_T - MEAN) * std(sigma) / std(T) down to 0."""
    return MEAN + (noise * SIGMA_MAX - MEAN) * STD / math.hypot(STD, SIGMA_MAX)


def test_solver_reaches_mean_and_standard_deviation():
    # 65,536 pixels: the mean is known to 0.002, the standard deviation to 0.3 %.
    for steps, tolerance in ((16, 0.1), (32, 0.03), (128, 0.012)):
        images = draw("dpm_solver_pp_2m", steps, white(1_024))
        assert images.mean().item() == pytest.approx(MEAN, abs=0.008)
        assert images.std().item() == pytest.approx(STD, rel=tolerance)


def test_solver_is_of_second_order():
    noise, errors = white(dtype=torch.float64), []
    for steps in (32, 64, 128, 256):
        # The last step, from sigma_min to 0, is exact only in the limit: keep it out of the way.
        images = draw("dpm_solver_pp_2m", steps, noise, sigma_min=0.002)
        errors.append((images - exact_end(noise)).square().mean().sqrt().item())
    slopes = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert slopes == pytest.approx([2, 2, 2], abs=0.35)
    assert errors[0] < 0.02 * STD


def test_solver_is_better_than_first_order():
    # The same steps without the multistep correction: DDIM.
    noise = white(dtype=torch.float64)
    images, denoise, sigmas = noise * SIGMA_MAX, GaussianDenoiser(), karras_sigmas(32)
    for sigma, next_sigma in pairwise(sigmas):
        images = torch.lerp(denoise(images, sigma), images, next_sigma / sigma)
    first_order = (images - exact_end(noise)).abs().mean()
    second_order = (draw("dpm_solver_pp_2m", 32, noise) - exact_end(noise)).abs().mean()
    assert second_order < first_order / 5


def test_solver_extrapolates_to_the_middle_of_uneven_steps():
    # A denoiser that is linear in lambda = -log(sigma) is known there exactly.
    seen = []

    def denoise(noisy, sigma):
        seen.append(noisy)
        return torch.full_like(noisy, -math.log(sigma))

    noise, sigmas = white(1), [8.0, 4.0, 0.5, 0.4, 0.0]
    SAMPLERS["dpm_solver_pp_2m"](denoise, noise, sigmas, generator())
    expected = 8 * noise
    for i, (sigma, next_sigma) in enumerate(pairwise(sigmas[:-1])):
        middle = -math.log(sigma if i == 0 else math.sqrt(sigma * next_sigma))
        expected = middle + (expected - middle) * next_sigma / sigma
        torch.testing.assert_close(seen[i + 1], expected)


def walked_variance(sigmas):
    """Return the variance that Euler-Maruyama's linear steps end with, in closed form."""
    mean, variance = 0.0, sigmas[0] ** 2
    for sigma, next_sigma in pairwise(sigmas):
        share = (sigma**2 - next_sigma**2) / (STD**2 + sigma**2)
        mean = (1 - share) * mean + share * MEAN
        variance = (1 - share) ** 2 * variance + (sigma**2 - next_sigma**2) * (next_sigma > 0)
    return mean, variance


@pytest.mark.parametrize("steps", [8, 32, 128])
def test_euler_maruyama_ends_with_the_mean_and_variance_of_its_steps(steps):
    images = draw("euler_maruyama", steps, white(512))
    mean, variance = walked_variance(karras_sigmas(steps))
    assert images.mean().item() == pytest.approx(mean, abs=0.015)
    assert images.var().item() == pytest.approx(variance, rel=0.03)


def test_euler_maruyama_nears_the_data_as_steps_grow():
    errors = []
    for steps in (32, 128, 512):
        images = draw("euler_maruyama", steps, white(512))
        assert images.mean().item() == pytest.approx(MEAN, abs=0.02)
        errors.append(abs(images.std().item() - STD))
    assert errors[0] > 2 * errors[1]
    assert errors[2] < 0.02 * STD


@ALL
@pytest.mark.parametrize("steps", [2, 3, 16])
def test_denoiser_is_called_once_a_step(sampler, steps):
    denoise = GaussianDenoiser()
    sigmas = karras_sigmas(steps)
    images = SAMPLERS[sampler](denoise, white(), sigmas, generator())
    assert denoise.calls == sigmas[:-1]
    assert len(denoise.calls) == steps
    assert images.shape == white().shape
    assert images.dtype == torch.float32


@ALL
def test_last_step_ends_at_what_is_expected_without_more_noise(sampler):
    seen = []

    def denoise(noisy, sigma):
        seen.append(GaussianDenoiser()(noisy, sigma))
        return seen[-1]

    images = SAMPLERS[sampler](denoise, white(), [4.0, 2.0, 1.0, 0.0], generator())
    torch.testing.assert_close(images, seen[-1])


@ALL
def test_noise_is_left_as_it_was(sampler):
    noise = white()
    draw(sampler, 4, noise)
    assert torch.equal(noise, white())


@ALL
def test_same_seed_gives_the_same_images(sampler):
    state = torch.get_rng_state()
    assert torch.equal(draw(sampler, 6, white(), seed=3), draw(sampler, 6, white(), seed=3))
    assert torch.equal(torch.get_rng_state(), state)


def test_only_the_stochastic_sampler_draws_from_the_generator():
    for sampler, draws in (("dpm_solver_pp_2m", False), ("euler_maruyama", True)):
        drawing = generator(3)
        before = drawing.get_state()
        images = SAMPLERS[sampler](GaussianDenoiser(), white(), karras_sigmas(6), drawing)
        assert torch.equal(drawing.get_state(), before) != draws
        assert torch.equal(images, draw(sampler, 6, white(), seed=4)) != draws


def test_solver_refuses_levels_that_do_not_end_in_zero():
    with pytest.raises(ValueError, match=r"sigmas end in 0\.5; allowed: a list that ends in 0"):
        SAMPLERS["dpm_solver_pp_2m"](GaussianDenoiser(), white(), [2.0, 1.0, 0.5], generator())


@pytest.mark.parametrize("steps", [2, 3, 16, 500])
def test_noise_levels_fall_from_end_to_end_and_close_with_zero(steps):
    sigmas = karras_sigmas(steps)
    assert len(sigmas) == steps + 1
    assert sigmas[0] == pytest.approx(SIGMA_MAX)
    assert sigmas[-2] == pytest.approx(SIGMA_MIN)
    assert sigmas[-1] == 0
    assert all(high > low for high, low in pairwise(sigmas))
    # Equation 5: the levels' seventh roots are evenly spaced.
    gaps = [high ** (1 / 7) - low ** (1 / 7) for high, low in pairwise(sigmas[:-1])]
    assert gaps == pytest.approx([gaps[0]] * (steps - 1))


def test_noise_levels_have_the_ends_that_are_given():
    assert karras_sigmas(3, sigma_max=10.0, sigma_min=0.1, rho=1.0) == pytest.approx(
        [10.0, 5.05, 0.1, 0.0]
    )
    assert karras_sigmas(1) == pytest.approx([SIGMA_MAX, 0.0])
