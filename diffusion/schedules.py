"""Schedules: the falling noise levels that a sampler walks through."""

import torch

from diffusion.denoiser import SIGMA_MAX, SIGMA_MIN, Denoiser
from diffusion.recipe import SamplingConfig

RHO = 7.0


def noise_levels(sampling: SamplingConfig, denoiser: Denoiser) -> list[float]:
    """Return a recipe's falling noise levels and a final 0.

    `karras` spaces them as Karras et al. 2022 do, from the denoiser's `sigma_max` to its
    `sigma_min`; `uniform` evenly in the formulation's own time, from `last_time` to `first_time`;
    `quadratic` closer towards the end of that time (Song, Meng and Ermon 2021, appendix D.2).
    """
    if sampling.schedule == "karras":
        return karras_sigmas(sampling.steps, denoiser.sigma_max, denoiser.sigma_min)
    shares = torch.linspace(1, 0, sampling.steps, dtype=torch.float64)
    if sampling.schedule == "quadratic":
        shares = shares.square()
    first, last = denoiser.first_time, denoiser.last_time
    return [*denoiser.sigma_at(first + (last - first) * shares).tolist(), 0.0]


def karras_sigmas(
    steps: int, sigma_max: float = SIGMA_MAX, sigma_min: float = SIGMA_MIN, rho: float = RHO
) -> list[float]:
    """Return `steps` falling noise levels and a final 0 (Karras et al. 2022, equation 5)."""
    top, bottom = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    shares = [i / max(steps - 1, 1) for i in range(steps)]
    return [(top + share * (bottom - top)) ** rho for share in shares] + [0.0]
