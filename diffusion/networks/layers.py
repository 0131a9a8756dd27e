"""Layers that the networks share: embeddings of noise and labels, norms, grouped convolutions."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
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


def _check_even(features: int, field: str) -> None:
    """Refuse an odd number of features: half of them are sines, half cosines.

    Raises:
        InfeasibleRecipe: it is odd; the error names the recipe's field that it comes from.
    """
    if features % 2:
        raise InfeasibleRecipe(
            f"{field} has {features} where the noise level is embedded; allowed: an even "
            "number of channels"
        )


class FourierFeatures(nn.Module):
    """Random Fourier features of a number (Tancik et al. 2020); the frequencies are fixed."""

    frequencies: Tensor

    def __init__(self, features: int, scale: float, field: str = "network.widths") -> None:
        super().__init__()
        _check_even(features, field)
        self.register_buffer("frequencies", torch.randn(features // 2) * scale)

    def forward(self, values: Tensor) -> Tensor:
        """Map [N] float to [N, features]."""
        angles = 2 * math.pi * values[:, None] * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class SinusoidalFeatures(nn.Module):
    """Sines and cosines at geometric frequencies (Vaswani et al. 2017, section 3.5).

    Noise labels are of order one here, so the fastest frequency is `time_scale` radians a unit;
    the slowest is `longest_period` times slower.
    """

    def __init__(
        self, features: int, time_scale: float = 100.0, longest_period: float = 1_000.0
    ) -> None:
        super().__init__()
        _check_even(features, "network.widths")
        self.features = features
        self.time_scale = time_scale
        self.longest_period = longest_period

    def forward(self, values: Tensor) -> Tensor:
        """Map [N] float to [N, features]."""
        half = self.features // 2
        exponents = torch.arange(half, device=values.device) / half
        frequencies = self.time_scale * self.longest_period**-exponents
        angles = values[:, None] * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class LabelEmbedding(nn.Embedding):
    """An embedding of labels: a vector for each class, and a last one for the hidden label."""

    def __init__(self, num_classes: int, features: int) -> None:
        super().__init__(num_classes + 1, features)


class PackedProjection(nn.Module):
    """The queries, keys and values of attention in one matrix.

    Not an `nn.Linear`: the published compression, which handles linear layers by type, leaves it
    alone, as it leaves the packed weight of torch's own attention.
    """

    def __init__(self, features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map [N, tokens, features] to [N, tokens, out_features]."""
        return F.linear(tokens, self.weight, self.bias)
