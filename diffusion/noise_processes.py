"""The published noise processes: how much noise there is at which time.

Variance exploding: std(t)^2 = (s^(2t) - 1) / (2 ln s) with s = 25, the score-SDE tutorial's (Song
et al. 2021). Variance preserving: 1000 levels of alpha_bar, the share of the image's variance that
is left (Ho et al. 2020).
"""

import math

import torch
from torch import Tensor

from diffusion.recipe import BetaSchedule

EXPLODING_BASE = 25.0  # s.
EXPLODING_FIRST_TIME = 1e-3  # Where its samplers stop; training goes down to 1e-5.
NOISE_LEVELS = 1_000  # Of the variance-preserving process.


def exploding_sigma(times: Tensor) -> Tensor:
    """Return the standard deviation of the exploding process at times in [0, 1], float64."""
    log_base = math.log(EXPLODING_BASE)
    return (torch.expm1(2 * times.double() * log_base) / (2 * log_base)).sqrt()


def exploding_time(sigma: Tensor) -> Tensor:
    """Return the time at which the exploding process has the standard deviation."""
    log_base = math.log(EXPLODING_BASE)
    return torch.log1p(2 * log_base * sigma**2) / (2 * log_base)


def preserving_alpha_bar(schedule: BetaSchedule) -> Tensor:
    """Return alpha_bar of the 1000 levels of the variance-preserving process, float64.

    `linear`: betas from 1e-4 to 0.02 (Ho et al. 2020, section 4). `cosine`: Nichol and Dhariwal
    2021, equation 17, with their limit of 0.999 on each beta.
    """
    if schedule == "linear":
        betas = torch.linspace(1e-4, 0.02, NOISE_LEVELS, dtype=torch.float64)
    else:
        shares = torch.arange(NOISE_LEVELS + 1, dtype=torch.float64) / NOISE_LEVELS
        curve = torch.cos((shares + 0.008) / 1.008 * math.pi / 2) ** 2
        betas = (1 - curve[1:] / curve[:-1]).clamp(max=0.999)
    return torch.cumprod(1 - betas, dim=0)


def interpolate(values: Tensor, known: Tensor, targets: Tensor) -> Tensor:
    """Read the piecewise linear curve through (known, targets) at `values`; flat outside."""
    known, targets = known.to(values), targets.to(values)
    # As torch.searchsorted counts, by operators that ONNX has.
    right = (known < values[..., None]).sum(dim=-1).clamp(1, len(known) - 1)
    share = ((values - known[right - 1]) / (known[right] - known[right - 1])).clamp(0, 1)
    return torch.lerp(targets[right - 1], targets[right], share)
