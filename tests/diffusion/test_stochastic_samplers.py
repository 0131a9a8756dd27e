"""The stochastic samplers on Gaussian data: what their linear steps do along each axis."""

import math
from functools import partial
from itertools import pairwise

import pytest
import torch
from gaussian_denoiser import AXES, MEAN, VARIANCES, draw, generator, moment_error, white

from diffusion.schedules import karras_sigmas


def shrink(sigma):
    return VARIANCES / (VARIANCES + sigma**2)


def ddim_steps(sigma, next_sigma, variances, eta):
    # Equation 12: the estimate, plus what is kept of the noise, plus fresh noise.
    fresh = eta * math.sqrt(next_sigma**2 - next_sigma**4 / sigma**2)
    kept = math.sqrt(next_sigma**2 - fresh**2) / sigma
    return [(shrink(sigma) + kept * (1 - shrink(sigma)), fresh)]


def ancestral_steps(sigma, next_sigma, variances):
    mean_share = (next_sigma / sigma) ** 2
    alpha = (1 + next_sigma**2) / (1 + sigma**2)  # 1 - beta_t
    fresh = math.sqrt((1 - alpha) * (1 + next_sigma**2)) if next_sigma else 0.0
    return [(shrink(sigma) + mean_share * (1 - shrink(sigma)), fresh)]


def euler_maruyama_steps(sigma, next_sigma, variances):
    decrease = sigma**2 - next_sigma**2
    fresh = math.sqrt(decrease) if next_sigma else 0.0
    return [(1 - decrease / (VARIANCES + sigma**2), fresh)]


PROBES = torch.randn(5_000, 4, generator=generator(9), dtype=torch.float64)


def predictor_corrector_steps(sigma, next_sigma, variances, snr=0.16):
    scores = PROBES * variances.sqrt() / (VARIANCES + sigma**2)
    step = 2 * (snr * 2 / scores.norm(dim=1).mean()) ** 2  # 2: the norm of noise of 4 pixels
    langevin = (1 - step / (VARIANCES + sigma**2), (2 * step).sqrt())
    return [langevin, *euler_maruyama_steps(sigma, next_sigma, variances)]


def walk(steps_of, sigmas):
    """Return mean (from MEAN) and variance along each axis after a sampler's linear steps."""
    mean, variances = -MEAN @ AXES, torch.full((4,), sigmas[0] ** 2, dtype=torch.float64)
    for sigma, next_sigma in pairwise(sigmas):
        for keep, fresh in steps_of(sigma, next_sigma, variances):
            mean, variances = keep * mean, keep**2 * variances + fresh**2
    return mean, variances


def walk_error(steps_of, sigmas):
    mean, variances = walk(steps_of, sigmas)
    return moment_error(MEAN + AXES @ mean, (AXES * variances) @ AXES.T)


STOCHASTIC = [
    pytest.param("ddim", {"eta": 0.5}, ddim_steps, id="ddim-0.5"),
    pytest.param("ddim", {"eta": 1.0}, ddim_steps, id="ddim-1"),
    pytest.param("ancestral", {}, ancestral_steps, id="ancestral"),
    pytest.param("euler_maruyama", {}, euler_maruyama_steps, id="euler_maruyama"),
    pytest.param("predictor_corrector", {}, predictor_corrector_steps, id="pc-0.16"),
    pytest.param("predictor_corrector", {"snr": 0.4}, predictor_corrector_steps, id="pc-0.4"),
]


@pytest.mark.parametrize(("sampler", "options", "steps_of"), STOCHASTIC)
@pytest.mark.parametrize("steps", [4, 24])
def test_stochastic_samplers_have_the_moments_of_their_steps(sampler, options, steps_of, steps):
    count, sigmas = 60_000, karras_sigmas(steps, sigma_max=20.0)
    images = draw(sampler, sigmas, white(count), seed=1, **options).double().flatten(1)
    mean, variances = walk(partial(steps_of, **options), sigmas)
    # White with unit variance, if they are as foretold: five standard errors are allowed.
    whitened = ((images - MEAN) @ AXES - mean) / variances.sqrt()
    assert whitened.mean(dim=0).abs().max() < 5 / math.sqrt(count)
    assert (whitened.T.cov() - torch.eye(4)).abs().max() < 5 * math.sqrt(2 / count)


@pytest.mark.parametrize(("sampler", "options", "steps_of"), STOCHASTIC[:4])
def test_stochastic_steps_near_the_data_at_first_order(sampler, options, steps_of):
    errors = [
        walk_error(partial(steps_of, **options), karras_sigmas(steps, sigma_min=0.002))
        for steps in (250, 500, 1_000)
    ]
    slopes = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert slopes == pytest.approx([1, 1], abs=0.1)
    assert errors[-1] < 0.012


def test_corrector_leaves_an_error_of_the_square_of_its_signal_to_noise_ratio():
    # Langevin steps of fixed size settle at a variance that is a little too large.
    def steps_of(snr):
        return partial(predictor_corrector_steps, snr=snr)

    sigmas = karras_sigmas(1_000, sigma_min=0.002)
    errors = [walk_error(steps_of(snr), sigmas) for snr in (0.32, 0.16, 0.02)]
    assert 3 < errors[0] / errors[1] < 5
    assert errors[1] < 0.03
    assert errors[2] < 0.01


@pytest.mark.parametrize(("sampler", "options", "steps_of"), STOCHASTIC[:5])
def test_stochastic_samplers_reach_the_data(sampler, options, steps_of):
    count = 4_000
    images = draw(sampler, karras_sigmas(500), white(count), **options).double().flatten(1)
    whitened = (images - MEAN) @ AXES / VARIANCES.sqrt()
    # Five standard errors, and what 500 steps leave.
    assert whitened.mean(dim=0).abs().max() < 5 / math.sqrt(count) + 0.01
    assert (whitened.T.cov() - torch.eye(4)).abs().max() < 5 * math.sqrt(2 / count) + 0.05
