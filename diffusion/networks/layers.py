"""Layers that the networks share: embeddings of noise and labels, norms, grouped convolutions."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from diffusion.errors import InfeasibleRecipe

Groups = int | Literal["max"]


def layer_groups(groups: Groups, in_channels: int, out_channels: int) -> int:
    """Resolve a recipe's groups for one layer.

    Raises:
        InfeasibleRecipe: the number does not divide both channel counts.
    """
    number = min(in_channels, out_channels) if groups == "max" else groups
    if in_channels % number or out_channels % number:
        raise InfeasibleRecipe(
            f"network.groups is {groups!r}, which means {number} in a layer of {in_channels} to "
            f"{out_channels} channels; allowed: a number that divides both"
        )
    return number


def group_norm(channels: int, most_groups: int) -> nn.GroupNorm:
    """Normalise over the largest number of groups up to `most_groups` that divides."""
    groups = max(n for n in range(1, most_groups + 1) if channels % n == 0)
    return nn.GroupNorm(groups, channels)


def _check_even(features: int) -> None:
    """Half of the features are sines, half cosines."""
    if features % 2:
        raise InfeasibleRecipe(
            f"network.widths has {features} where the noise level is embedded; allowed: an even "
            "number of channels"
        )


class FourierFeatures(nn.Module):
    """Random Fourier features of a number (Tancik et al. 2020); the frequencies are fixed."""

    frequencies: Tensor

    def __init__(self, features: int, scale: float) -> None:
        super().__init__()
        _check_even(features)
        self.register_buffer("frequencies", torch.randn(features // 2) * scale)

    def forward(self, values: Tensor) -> Tensor:
        """Map [N] float to [N, features]."""
        angles = 2 * math.pi * values[:, None] * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class SinusoidalFeatures(nn.Module):
    """Sines and cosines at geometric frequencies (Vaswani et al. 2017, section 3.5).

    Noise labels are of order one here, so the fastest frequency is `TIME_SCALE` radians a unit.
    """

    TIME_SCALE = 100.0
    LONGEST_PERIOD = 1_000.0

    def __init__(self, features: int) -> None:
        super().__init__()
        _check_even(features)
        self.features = features

    def forward(self, values: Tensor) -> Tensor:
        """Map [N] float to [N, features]."""
        half = self.features // 2
        exponents = torch.arange(half, device=values.device) / half
        frequencies = self.TIME_SCALE * self.LONGEST_PERIOD**-exponents
        angles = values[:, None] * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class LabelEmbedding(nn.Embedding):
    """One vector a class, and a last one for the hidden label."""

    def __init__(self, num_classes: int, features: int) -> None:
        super().__init__(num_classes + 1, features)
