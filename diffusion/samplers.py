"""Samplers: noise in, images out. One signature for all: (denoise, noise, sigmas, generator).

Each walks down `sigmas`, which ends in 0. All are written for variance-exploding noise, where the
noise level sigma serves as time; the samplers of the variance-preserving process are the same
steps, rescaled.
"""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from diffusion.errors import MetricUndefined
from diffusion.guidance import Denoise
from diffusion.randomness import white_like
from diffusion.recipe import SamplingConfig

Sampler = Callable[[Denoise, Tensor, list[float], torch.Generator], Tensor]


def build_sampler(sampling: SamplingConfig) -> Sampler:
    """Return a recipe's sampler, its own options filled in."""
    options = {
        "ddim": {"eta": sampling.eta},
        "predictor_corrector": {"snr": sampling.corrector_snr},
        "probability_flow_ode": {"tolerance": sampling.tolerance},
    }
    return partial(SAMPLERS[sampling.sampler], **options.get(sampling.sampler, {}))


def dpm_solver_pp_2m(
    denoise: Denoise, noise: Tensor, sigmas: list[float], generator: torch.Generator
) -> Tensor:
    """DPM-Solver++(2M), deterministic (Lu et al. 2022, algorithm 2).

    Args:
        denoise: D(x, sigma) for [N, C, H, W] images.
        noise: [N, C, H, W] float32, white, of unit variance.
        sigmas: falling noise levels that end in 0.
        generator: on the CPU; unused here, the stochastic samplers draw from it.

    Returns:
        [N, C, H, W] float32 images, not clipped.
    """
    images = noise * sigmas[0]
    last_denoised, last_step = None, 0.0
    for sigma, next_sigma in pairwise(sigmas):
        denoised = denoise(images, sigma)
        if next_sigma == 0:
            return denoised
        step = math.log(sigma / next_sigma)  # h of the paper, in the log signal-to-noise ratio
        target = denoised
        if last_denoised is not None:
            ratio = last_step / step  # r of the paper
            target = denoised + (denoised - last_denoised) / (2 * ratio)
        images = torch.lerp(target, images, next_sigma / sigma)
        last_denoised, last_step = denoised, step
    raise ValueError(f"sigmas end in {sigmas[-1]}; allowed: a list that ends in 0")


def heun(
    denoise: Denoise, noise: Tensor, sigmas: list[float], generator: torch.Generator
) -> Tensor:
    """Heun's second-order steps, deterministic (Karras et al. 2022, algorithm 1).

    Two network calls a step, but one in the last. Arguments and result are those of
    `dpm_solver_pp_2m`.
    """
    images = noise * sigmas[0]
    for sigma, next_sigma in pairwise(sigmas):
        slope = (images - denoise(images, sigma)) / sigma  # dx / dsigma
        step = next_sigma - sigma
        ahead = images + step * slope
        if next_sigma > 0:
            slope_ahead = (ahead - denoise(ahead, next_sigma)) / next_sigma
            ahead = images + step * (slope + slope_ahead) / 2
        images = ahead
    return images


def ddim(
    denoise: Denoise,
    noise: Tensor,
    sigmas: list[float],
    generator: torch.Generator,
    eta: float = 0.0,
) -> Tensor:
    """DDIM (Song, Meng and Ermon 2021, equation 12, divided by sqrt(alpha_bar)).

    Arguments and result are those of `dpm_solver_pp_2m`; `eta` 0 is deterministic, 1 adds the
    noise of the forward process's posterior.
    """
    images = noise * sigmas[0]
    for sigma, next_sigma in pairwise(sigmas):
        denoised = denoise(images, sigma)
        # sigma_t(eta) of equation 16.
        fresh_std = eta * next_sigma * math.sqrt(1 - (next_sigma / sigma) ** 2)
        kept_std = math.sqrt(next_sigma**2 - fresh_std**2)
        images = torch.lerp(denoised, images, kept_std / sigma)
        if fresh_std > 0:
            images = images + fresh_std * white_like(images, generator)
    return images


def probability_flow_ode(
    denoise: Denoise,
    noise: Tensor,
    sigmas: list[float],
    generator: torch.Generator,
    tolerance: float = 1e-5,
) -> Tensor:
    """Probability-flow ODE by adaptive Runge-Kutta 4(5) (Song et al. 2021, section 4.3).

    Arguments and result are those of `dpm_solver_pp_2m`, but of `sigmas` only the ends count:
    the solver chooses its own steps, in log sigma, for the whole batch at once. The last noise is
    removed by one more call.

    Raises:
        MetricUndefined: the denoiser is not finite, or the solver gives up.
    """
    from scipy.integrate import solve_ivp  # takes half a second: only where it is used

    start, ends = _flat(noise * sigmas[0]), (math.log(sigmas[0]), math.log(sigmas[-2]))

    def to_images(state: np.ndarray) -> Tensor:
        return torch.from_numpy(state).to(noise).reshape(noise.shape)

    def slope(log_sigma: float, state: np.ndarray) -> np.ndarray:
        images = to_images(state)
        change = _flat(images - denoise(images, math.exp(log_sigma)))  # dx / dlog(sigma)
        if not np.isfinite(change).all():  # On these the solver would never end.
            raise MetricUndefined(f"the denoiser is not finite at sigma {math.exp(log_sigma):g}")
        return change

    # Of its states the last alone is asked for (`t_eval`): together they could fill the memory.
    solution = solve_ivp(
        slope, ends, start, method="RK45", t_eval=ends[1:], rtol=tolerance, atol=tolerance
    )
    if not solution.success:
        raise MetricUndefined(f"the ODE's solver gave up: {solution.message}")
    return denoise(to_images(solution.y[:, -1]), sigmas[-2])


def ancestral(
    denoise: Denoise, noise: Tensor, sigmas: list[float], generator: torch.Generator
) -> Tensor:
    """Ancestral sampling (Ho et al. 2020, algorithm 2, variance beta_t) over any noise levels.

    Arguments and result are those of `dpm_solver_pp_2m`.
    """
    images = noise * sigmas[0]
    for sigma, next_sigma in pairwise(sigmas):
        # The posterior's mean lies between the estimate and the noisy image.
        share = (next_sigma / sigma) ** 2
        images = torch.lerp(denoise(images, sigma), images, share)
        if next_sigma > 0:
            # beta_t = 1 - alpha_bar_t / alpha_bar_s, over alpha_bar_s = 1 / (1 + s^2).
            beta = (sigma**2 - next_sigma**2) / (1 + sigma**2)
            fresh_std = math.sqrt(beta * (1 + next_sigma**2))
            images = images + fresh_std * white_like(images, generator)
    return images


def euler_maruyama(
    denoise: Denoise, noise: Tensor, sigmas: list[float], generator: torch.Generator
) -> Tensor:
    """Euler-Maruyama on the reverse-time SDE (Song et al. 2021, equation 6); no final noise.

    The step is taken in the variance sigma^2, in which the exploding SDE has unit diffusion.
    Arguments and result are those of `dpm_solver_pp_2m`.
    """
    images = noise * sigmas[0]
    for sigma, next_sigma in pairwise(sigmas):
        images = _predict(denoise, images, sigma, next_sigma, generator)
    return images


def predictor_corrector(
    denoise: Denoise,
    noise: Tensor,
    sigmas: list[float],
    generator: torch.Generator,
    snr: float = 0.16,
) -> Tensor:
    """Before each step of Euler-Maruyama one of Langevin (Song et al. 2021, algorithms 2 and 4).

    Two network calls a step. Arguments and result are those of `dpm_solver_pp_2m`; `snr` is the
    Langevin step's signal-to-noise ratio.
    """
    images = noise * sigmas[0]
    for sigma, next_sigma in pairwise(sigmas):
        score = (denoise(images, sigma) - images) / sigma**2
        # epsilon of algorithm 4, with the expected norm of white noise.
        score_norm = score.flatten(1).norm(dim=1).mean()
        step = 2 * (snr * math.sqrt(score[0].numel()) / score_norm) ** 2
        images = images + step * score + (2 * step).sqrt() * white_like(images, generator)
        images = _predict(denoise, images, sigma, next_sigma, generator)
    return images


def _predict(
    denoise: Denoise,
    images: Tensor,
    sigma: float,
    next_sigma: float,
    generator: torch.Generator,
) -> Tensor:
    """Take one step of the reverse-time SDE."""
    decrease = sigma**2 - next_sigma**2
    images = images + decrease * (denoise(images, sigma) - images) / sigma**2
    if next_sigma > 0:
        images = images + math.sqrt(decrease) * white_like(images, generator)
    return images


def _flat(images: Tensor) -> np.ndarray:
    return images.cpu().double().numpy().ravel()


SAMPLERS: dict[str, Callable[..., Tensor]] = {
    "dpm_solver_pp_2m": dpm_solver_pp_2m,
    "heun": heun,
    "ddim": ddim,
    "probability_flow_ode": probability_flow_ode,
    "ancestral": ancestral,
    "euler_maruyama": euler_maruyama,
    "predictor_corrector": predictor_corrector,
}
