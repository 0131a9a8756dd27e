"""Guidance: a denoiser with its labels fixed, as samplers see it."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffusion.variant_config import ANY_SIGMA

# D(x, sigma): [N, C, H, W] noisy images and one noise level to expected clean images.
Denoise = Callable[[Tensor, float], Tensor]


def guide(
    denoiser: Callable[[Tensor, Tensor, Tensor], Tensor],
    labels: Tensor,
    hidden_label: int,
    guidance: float,
    sigma_min: float = 0.0,
    sigma_max: float = ANY_SIGMA,
) -> Denoise:
    """Return a denoiser with its labels and classifier-free guidance fixed (Ho and Salimans 2022).

    D = D(hidden) + guidance * (D(label) - D(hidden)); both halves run as one batch. Guidance 1
    needs the labelled half alone, guidance 0 the other one. Noise levels outside of
    [sigma_min, sigma_max] need the labelled half alone, too (Kynkaanniemi et al. 2024).
    """
    hidden = torch.full_like(labels, hidden_label)

    def single(noisy: Tensor, sigma: float, chosen: Tensor) -> Tensor:
        return denoiser(noisy, noisy.new_full((len(noisy),), sigma), chosen)

    def both(noisy: Tensor, sigma: float) -> Tensor:
        sigmas = noisy.new_full((2 * len(noisy),), sigma)
        doubled = denoiser(torch.cat([noisy, noisy]), sigmas, torch.cat([hidden, labels]))
        of_hidden, of_labels = doubled.chunk(2)
        return torch.lerp(of_hidden, of_labels, guidance)

    def guided(noisy: Tensor, sigma: float) -> Tensor:
        if guidance == 1 or not sigma_min <= sigma <= sigma_max:
            return single(noisy, sigma, labels)
        return single(noisy, sigma, hidden) if guidance == 0 else both(noisy, sigma)

    return guided
