"""Samplers: noise in, images out. One signature for all: (denoise, noise, sigmas, generator).

Each walks down `sigmas`, which ends in 0, and calls the denoiser once a step. All are written
for variance-exploding noise, where the noise level sigma serves as time.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from diffusion.process import Denoise

SIGMA_MAX = 80.0
SIGMA_MIN = 0.02  # Two grey levels of 255; lower ones only take steps from where they count.
RHO = 7.0

Sampler = Callable[[Denoise, Tensor, list[float], torch.Generator], Tensor]


def karras_sigmas(
    steps: int, sigma_max: float = SIGMA_MAX, sigma_min: float = SIGMA_MIN, rho: float = RHO
) -> list[float]:
    """Return `steps` falling noise levels and a final 0 (Karras et al. 2022, equation 5)."""
    top, bottom = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    shares = [i / max(steps - 1, 1) for i in range(steps)]
    return [(top + share * (bottom - top)) ** rho for share in shares] + [0.0]


def dpm_solver_pp_2m(
    denoise: Denoise, noise: Tensor, sigmas: list[float], generator: torch.Generator
) -> Tensor:
    """DPM-Solver++(2M), deterministic (Lu et al. 2022, algorithm 2).

    Args:
        denoise: D(x, sigma) for [N, C, H, W] images.
        noise: [N, C, H, W] float32, white, of unit variance.
        sigmas: falling noise levels that end in 0.
        generator: unused here; the stochastic samplers draw from it.

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


def euler_maruyama(
    denoise: Denoise, noise: Tensor, sigmas: list[float], generator: torch.Generator
) -> Tensor:
    """Euler-Maruyama on the reverse-time SDE (Song et al. 2021, equation 6); no final noise.

    The step is taken in the variance sigma^2, in which the exploding SDE has unit diffusion.
    Arguments and result are those of `dpm_solver_pp_2m`.
    """
    images = noise * sigmas[0]
    for sigma, next_sigma in pairwise(sigmas):
        score = (denoise(images, sigma) - images) / sigma**2
        decrease = sigma**2 - next_sigma**2
        images = images + decrease * score
        if next_sigma > 0:
            fresh = torch.randn(images.shape, generator=generator, device=images.device)
            images = images + math.sqrt(decrease) * fresh
    return images


SAMPLERS: dict[str, Sampler] = {
    "dpm_solver_pp_2m": dpm_solver_pp_2m,
    "euler_maruyama": euler_maruyama,
}
