"""Guidance: a denoiser with its labels fixed, as samplers see it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

# D(x, sigma): [N, C, H, W] noisy images and one noise level to expected clean images.
Denoise = Callable[[Tensor, float], Tensor]


def guide(denoiser: nn.Module, labels: Tensor, hidden_label: int, guidance: float) -> Denoise:
    """Return a denoiser with its labels and classifier-free guidance fixed (Ho and Salimans 2022).

    D = D(hidden) + guidance * (D(label) - D(hidden)); both halves run as one batch. Guidance 1
    needs the labelled half alone, guidance 0 the other one.
    """
    hidden = torch.full_like(labels, hidden_label)

    def single(noisy: Tensor, sigma: float) -> Tensor:
        chosen = labels if guidance == 1 else hidden
        return denoiser(noisy, noisy.new_full((len(noisy),), sigma), chosen)

    def both(noisy: Tensor, sigma: float) -> Tensor:
        sigmas = noisy.new_full((2 * len(noisy),), sigma)
        doubled = denoiser(torch.cat([noisy, noisy]), sigmas, torch.cat([hidden, labels]))
        of_hidden, of_labels = doubled.chunk(2)
        return torch.lerp(of_hidden, of_labels, guidance)

    return single if guidance in (0, 1) else both
