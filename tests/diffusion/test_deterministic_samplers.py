"""The deterministic samplers on Gaussian data, against the exact paths: order and tolerance."""

import math
from itertools import pairwise

import pytest
import torch
from gaussian_denoiser import (
    AXES,
    MEAN,
    ORDERS,
    VARIANCES,
    GaussianDenoiser,
    affine_moments,
    draw,
    exact_noise,
    generator,
    moment_error,
    rms,
    white,
)

from diffusion.denoiser import SIGMA_MAX, SIGMA_MIN
from diffusion.errors import MetricUndefined
from diffusion.samplers import SAMPLERS
from diffusion.schedules import karras_sigmas

ODE = SAMPLERS["probability_flow_ode"]


def flow_end(noise, sigmas, last_denoised=True):
    """Follow the probability flow to the last noise level, then denoise; or flow on down to 0.

    Along each axis the distance to the mean is proportional to the noisy images' deviation.
    """
    first, last = sigmas[0], sigmas[-2] if last_denoised else 0.0
    stretch = ((VARIANCES + last**2) / (VARIANCES + first**2)).sqrt()
    away = (noise.flatten(1) * first - MEAN) @ AXES
    away = away * stretch * VARIANCES / (VARIANCES + last**2)
    return (MEAN + away @ AXES.T).view_as(noise)


@pytest.mark.parametrize(
    ("sampler", "tolerances"),
    [
        # That the mean of the noise is 0, not MEAN, costs 0.002 at 80.
        ("ddim", {32: 0.25, 128: 0.06, 512: 0.015}),
        ("heun", {32: 0.03, 128: 0.004, 512: 0.002}),
        ("dpm_solver_pp_2m", {32: 0.03, 128: 0.004, 512: 0.002}),
        ("probability_flow_ode", {2: 0.002}),  # it chooses its own steps
    ],
)
def test_deterministic_samplers_reach_the_data(sampler, tolerances):
    for steps, tolerance in tolerances.items():
        moments = affine_moments(sampler, karras_sigmas(steps, sigma_min=0.002))
        assert moment_error(*moments) < tolerance


@pytest.mark.parametrize(("sampler", "order"), ORDERS.items())
def test_deterministic_samplers_have_their_order(sampler, order):
    # The last step, from sigma_min to 0, is the same for all: see the next test.
    noise, errors = exact_noise(), []
    for steps in (64, 128, 256, 512):
        sigmas = karras_sigmas(steps)
        errors.append(rms(draw(sampler, sigmas, noise) - flow_end(noise, sigmas)))
    slopes = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert slopes == pytest.approx([order] * 3, abs=0.15)


def test_last_step_to_zero_costs_the_square_of_the_least_noise_level():
    noise, errors = exact_noise(), []
    for sigma_min in (0.04, 0.02, 0.01):
        sigmas = karras_sigmas(2, sigma_min=sigma_min)
        images = draw("probability_flow_ode", sigmas, noise, tolerance=1e-9)
        errors.append(rms(images - flow_end(noise, sigmas, last_denoised=False)))
    slopes = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert slopes == pytest.approx([2, 2], abs=0.1)


def test_ode_solver_keeps_its_tolerance():
    noise, sigmas, errors, calls = exact_noise(), karras_sigmas(2), [], []
    for tolerance in (1e-3, 1e-5, 1e-7, 1e-9):
        denoise = GaussianDenoiser()
        images = ODE(denoise, noise, sigmas, generator(), tolerance=tolerance)
        errors.append(rms(images - flow_end(noise, sigmas)))
        assert errors[-1] < 3 * tolerance
        calls.append(len(denoise.calls))
    assert all(coarse > 10 * fine for coarse, fine in pairwise(errors))
    # Of fifth order: a hundredth of the error takes 2.5 times the steps.
    assert all(1.5 < more / fewer < 3.5 for fewer, more in pairwise(calls))


def test_ode_solver_needs_the_ends_alone():
    noise = exact_noise()
    few, many = karras_sigmas(2), karras_sigmas(50)
    assert torch.equal(
        draw("probability_flow_ode", few, noise), draw("probability_flow_ode", many, noise)
    )
    denoise = GaussianDenoiser()
    ODE(denoise, noise, many, generator())
    assert denoise.calls[0] == pytest.approx(SIGMA_MAX)
    assert denoise.calls[-1] == pytest.approx(SIGMA_MIN)
    assert max(denoise.calls) < SIGMA_MAX * (1 + 1e-9)
    assert min(denoise.calls) > SIGMA_MIN * (1 - 1e-9)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("below", [100.0, 5.0, 0.021])
def test_ode_solver_refuses_a_denoiser_that_is_not_finite(value, below):
    # On NaN, scipy would never return, or return where it got stuck.
    def denoise(noisy, sigma):
        return GaussianDenoiser()(noisy, sigma) if sigma > below else noisy * value

    with pytest.raises(MetricUndefined, match="denoiser is not finite at sigma"):
        ODE(denoise, white(2), karras_sigmas(2), generator())


def test_ode_solver_says_that_it_gave_up():
    signs = []

    def denoise(noisy, sigma):
        signs.append(-signs[-1] if signs else 1)
        return torch.full_like(noisy, signs[-1] * 1e30)

    with pytest.raises(MetricUndefined, match="gave up: Required step size"):
        ODE(denoise, white(2), karras_sigmas(2), generator())


def test_multistep_solver_extrapolates_to_the_middle_of_uneven_steps():
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


def test_multistep_solver_refuses_levels_that_do_not_end_in_zero():
    with pytest.raises(ValueError, match=r"sigmas end in 0\.5; allowed: a list that ends in 0"):
        draw("dpm_solver_pp_2m", [2.0, 1.0, 0.5], white())


@pytest.mark.parametrize("sampler", ORDERS)
def test_deterministic_samplers_draw_each_image_by_itself(sampler):
    noise, sigmas = exact_noise(6), karras_sigmas(12)
    together = draw(sampler, sigmas, noise)
    apart = torch.cat([draw(sampler, sigmas, part) for part in noise.split([1, 3, 2])])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-12)


def test_ode_solver_draws_each_image_by_itself_within_its_tolerance():
    noise, sigmas = exact_noise(6), karras_sigmas(2)
    together = draw("probability_flow_ode", sigmas, noise)
    apart = torch.cat([draw("probability_flow_ode", sigmas, part) for part in noise.split(2)])
    assert 0 < (together - apart).abs().max() < 3e-5
