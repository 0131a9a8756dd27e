"""The noise levels of schedules: their ends, their spacing in time, and where they lead."""

import math
from itertools import pairwise

import pytest
import torch
from gaussian_denoiser import DATA, ORDERS, GaussianDenoiser, affine_moments, moment_error
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from diffusion.denoiser import SIGMA_MAX
from diffusion.process import DENOISERS
from diffusion.recipe import SamplingConfig, TrainingConfig
from diffusion.schedules import karras_sigmas, noise_levels

# The first and last of each formulation, in closed form where there is one.
EXPLODING_ENDS = [math.sqrt((25 ** (2 * t) - 1) / (2 * math.log(25))) for t in (1, 1e-3)]
LINEAR_BETAS = [1e-4 + (0.02 - 1e-4) * i / 999 for i in range(1_000)]
LINEAR_SIGMAS = [
    math.sqrt(1 / math.prod(1 - beta for beta in LINEAR_BETAS[: i + 1]) - 1) for i in (999, 1)
]
# From the cosine's alpha_bar of level 1; its highest levels, up to 20,000, are left out.
COSINE_LOWEST = math.sqrt(
    (math.cos(0.008 / 1.008 * math.pi / 2) / math.cos(0.010 / 1.008 * math.pi / 2)) ** 2 - 1
)

FORMULATIONS = {
    ("edm", "linear"): ([80, 0.02], [80, 0.02]),
    ("score_matching", "linear"): (EXPLODING_ENDS, EXPLODING_ENDS),
    ("noise_prediction", "linear"): ([80, 0.02], LINEAR_SIGMAS),
    ("noise_prediction", "cosine"): ([80, 0.02], [80, COSINE_LOWEST]),
}


def stub_denoiser(formulation, beta_schedule="linear"):
    training = TrainingConfig(1, formulation=formulation, beta_schedule=beta_schedule)
    return DENOISERS[formulation](nn.Identity(), training, DATA)


@pytest.mark.parametrize("steps", [2, 3, 20, 1_500])
@pytest.mark.parametrize("schedule", ["karras", "uniform", "quadratic"])
@pytest.mark.parametrize("formulation", FORMULATIONS, ids="-".join)
def test_noise_levels_fall_from_end_to_end_and_close_with_zero(formulation, schedule, steps):
    sampling = SamplingConfig(steps=steps, schedule=schedule)
    sigmas = noise_levels(sampling, stub_denoiser(*formulation))
    ends = FORMULATIONS[formulation][0 if schedule == "karras" else 1]
    assert len(sigmas) == steps + 1
    assert [sigmas[0], sigmas[-2], sigmas[-1]] == pytest.approx([*ends, 0], rel=1e-9, abs=0)
    assert all(high > low for high, low in pairwise(sigmas))


@pytest.mark.parametrize(
    ("formulation", "schedule", "middle"),
    [
        # The middle of three steps is at time 1/2 or 1/4 of the way from first_time to 1.
        ("edm", "uniform", math.sqrt(80 * 0.02)),
        ("edm", "quadratic", 80**0.25 * 0.02**0.75),
        ("score_matching", "uniform", math.sqrt((25**1.001 - 1) / (2 * math.log(25)))),
        ("score_matching", "quadratic", math.sqrt((25**0.5015 - 1) / (2 * math.log(25)))),
        ("edm", "karras", ((80 ** (1 / 7) + 0.02 ** (1 / 7)) / 2) ** 7),
    ],
)
def test_schedules_space_their_levels_in_time(formulation, schedule, middle):
    sampling = SamplingConfig(steps=3, schedule=schedule)
    assert noise_levels(sampling, stub_denoiser(formulation))[1] == pytest.approx(middle)


def test_999_uniform_steps_are_the_published_levels():
    sampling = SamplingConfig(steps=999, schedule="uniform")
    sigmas = noise_levels(sampling, stub_denoiser("noise_prediction"))
    alpha_bars, alpha_bar = [], 1.0
    for beta in LINEAR_BETAS:
        alpha_bar *= 1 - beta
        alpha_bars.append(alpha_bar)
    assert [1 / (1 + sigma**2) for sigma in sigmas] == pytest.approx(
        [*alpha_bars[:0:-1], 1], rel=1e-9
    )


def test_uniform_steps_of_score_matching_are_the_published_ones():
    # A step of dt adds variance at the rate 25^(2t), to the 0.7 % that it changes by within one.
    sigmas = noise_levels(
        SamplingConfig(steps=500, schedule="uniform"), stub_denoiser("score_matching")
    )
    times = torch.linspace(1, 1e-3, 500, dtype=torch.float64).tolist()
    for time, next_time, sigma, next_sigma in zip(
        times, times[1:], sigmas, sigmas[1:], strict=False
    ):
        published = 25 ** (2 * time) * (time - next_time)
        assert sigma**2 - next_sigma**2 == pytest.approx(published, rel=0.007)


@pytest.mark.parametrize("sampler", ORDERS)
@pytest.mark.parametrize("schedule", ["karras", "uniform", "quadratic"])
@pytest.mark.parametrize("formulation", FORMULATIONS, ids="-".join)
def test_every_schedule_leads_to_the_data(formulation, schedule, sampler):
    stub = stub_denoiser(*formulation)
    sigmas = noise_levels(SamplingConfig(steps=500, schedule=schedule), stub)
    in_unit_range = formulation[0] == "score_matching"
    mean, covariance = affine_moments(sampler, sigmas, GaussianDenoiser(in_unit_range))
    if in_unit_range:
        mean, covariance = stub.to_signed_range(mean), 4 * covariance
    # Score matching starts from a mean of 0 where only 10 times as much noise hides the images'.
    assert moment_error(mean, covariance) < (0.06 if in_unit_range else 0.015)


@settings(max_examples=50, deadline=None)
@given(
    steps=st.integers(2, 200),
    sigma_min=st.floats(1e-3, 0.1),
    ratio=st.floats(1.5, 1e5),
    rho=st.floats(1, 10),
)
def test_karras_levels_are_even_in_their_roots(steps, sigma_min, ratio, rho):
    # Equation 5.
    sigmas = karras_sigmas(steps, sigma_min * ratio, sigma_min, rho)
    roots = [sigma ** (1 / rho) for sigma in sigmas[:-1]]
    gaps = [high - low for high, low in pairwise(roots)]
    assert gaps == pytest.approx([(roots[0] - roots[-1]) / (steps - 1)] * (steps - 1), rel=1e-6)
    assert [sigmas[0], *sigmas[-2:]] == pytest.approx([sigma_min * ratio, sigma_min, 0])


def test_one_karras_level_is_the_highest():
    assert karras_sigmas(1) == pytest.approx([SIGMA_MAX, 0.0])
