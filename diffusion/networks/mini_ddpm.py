"""The mini DDPM: a small residual U-Net with attention at its lowest resolution.

One design gives the three published sizes within 3 %: about 2.53 M parameters at widths
32-64-128, 634 K at 16-32-64 and 2.15 M at 64-128 (28x28 grey images, no labels, patch 1).
The blocks are those of Dhariwal and Nichol (2021): norms shifted and scaled by the embedding.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.errors import InfeasibleRecipe
from diffusion.networks.layers import (
    Groups,
    LabelEmbedding,
    SinusoidalFeatures,
    group_norm,
    layer_groups,
)
from diffusion.networks.norms import at_least_single, norm_silu
from diffusion.recipe import DataConfig, NetworkConfig

NORM_GROUPS = 8
# Torch's fused attention is slow in bf16 on a CPU; of more tokens plain products take much memory.
MOST_PLAIN_TOKENS = 256


class Embedding(nn.Module):
    """The noise level, and the class where there is one, as one vector."""

    def __init__(self, features: int, config: NetworkConfig, num_classes: int) -> None:
        super().__init__()
        self.noise = SinusoidalFeatures(config.widths[0])
        self.linear1 = nn.Linear(config.widths[0], features)
        self.linear2 = nn.Linear(features, features)
        self.label = LabelEmbedding(num_classes, features) if config.conditional else None

    def forward(self, noise_labels: Tensor, class_labels: Tensor) -> Tensor:
        vector = self.linear2(F.silu(self.linear1(self.noise(noise_labels))))
        if self.label is not None:
            vector = vector + self.label(class_labels)
        return F.silu(vector)


class ResidualBlock(nn.Module):
    """Two normed convolutions beside a shortcut; the embedding shifts and scales the second."""

    def __init__(self, channels: int, out_channels: int, embedding: int, groups: Groups) -> None:
        super().__init__()
        self.norm1 = group_norm(channels, NORM_GROUPS)
        self.conv1 = _grouped_conv(channels, out_channels, groups)
        self.dense = nn.Linear(embedding, 2 * out_channels)
        self.norm2 = group_norm(out_channels, NORM_GROUPS)
        self.conv2 = _grouped_conv(out_channels, out_channels, groups)
        nn.init.zeros_(self.conv2.weight)
        # The shortcut stays ungrouped: it lets the groups exchange what they know.
        same = channels == out_channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels, out_channels, 1)

    def forward(self, images: Tensor, embedding: Tensor) -> Tensor:
        hidden = self.conv1(norm_silu(images, self.norm1))
        scale, shift = at_least_single(self.dense(embedding)).chunk(2, dim=1)
        hidden = self.conv2(norm_silu(hidden, self.norm2, scale, shift))
        return self.shortcut(images) + hidden


class Attention(nn.Module):
    """Residual self-attention over all pixels (one head)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels, NORM_GROUPS)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, images: Tensor) -> Tensor:
        # The norm in float32: with channels last it is slow in bf16 on a CPU.
        tokens = self.qkv(self.norm(at_least_single(images))).flatten(2).transpose(1, 2)
        mixed = _attend(*tokens.chunk(3, dim=2))
        return images + self.out(mixed.transpose(1, 2).reshape(images.shape))


class DownLevel(nn.Module):
    """A level down: two residual blocks, kept for the skip, a convolution that halves the size."""

    def __init__(self, narrow: int, wide: int, embedding: int, groups: Groups) -> None:
        super().__init__()
        self.block1 = ResidualBlock(narrow, narrow, embedding, groups)
        self.block2 = ResidualBlock(narrow, narrow, embedding, groups)
        self.down = _grouped_conv(narrow, wide, groups, stride=2)

    def forward(self, images: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
        skip = self.block2(self.block1(images, embedding), embedding)
        return self.down(skip), skip


class UpLevel(nn.Module):
    """A level up: a transposed convolution to twice the size, the skip, two residual blocks."""

    def __init__(self, narrow: int, wide: int, embedding: int, groups: Groups) -> None:
        super().__init__()
        up_groups = layer_groups(groups, wide, wide)
        self.up = nn.ConvTranspose2d(wide, wide, 4, 2, 1, groups=up_groups)
        self.block1 = ResidualBlock(wide + narrow, narrow, embedding, groups)
        self.block2 = ResidualBlock(narrow, narrow, embedding, groups)

    def forward(self, images: Tensor, skip: Tensor, embedding: Tensor) -> Tensor:
        # An odd size was rounded up on the way down: crop what is too much.
        grown = self.up(images)[:, :, : skip.shape[2], : skip.shape[3]]
        hidden = self.block1(torch.cat([grown, skip], dim=1), embedding)
        return self.block2(hidden, embedding)


class MiniDDPM(nn.Module):
    """The mini DDPM that this module describes, called as `build_network` says."""

    def __init__(self, config: NetworkConfig, data: DataConfig) -> None:
        super().__init__()
        widths, groups, patch = config.widths, config.groups, config.patch_size
        _check_size(data.image_size, patch, len(widths))
        features = config.conditioning_width or 4 * widths[-1]
        self.patch_size = patch
        self.embedding = Embedding(features, config, data.num_classes)
        self.stem = nn.Conv2d(data.channels * patch**2, widths[0], 3, padding=1)

        levels = list(pairwise(widths))
        self.encoder = nn.ModuleList(
            [DownLevel(narrow, wide, features, groups) for narrow, wide in levels]
        )
        bottom = widths[-1]
        self.bottleneck1 = ResidualBlock(bottom, bottom, features, groups)
        self.attention = Attention(bottom)
        self.bottleneck2 = ResidualBlock(bottom, bottom, features, groups)

        self.decoder = nn.ModuleList(
            [UpLevel(narrow, wide, features, groups) for narrow, wide in reversed(levels)]
        )
        self.norm = group_norm(widths[0], NORM_GROUPS)
        self.out = nn.Conv2d(widths[0], data.channels * patch**2, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, images: Tensor, noise_labels: Tensor, class_labels: Tensor) -> Tensor:
        embedding = self.embedding(noise_labels, class_labels)
        hidden = self.stem(F.pixel_unshuffle(images, self.patch_size))
        skips: list[Tensor] = []
        for level in self.encoder:
            hidden, skip = level(hidden, embedding)
            skips.append(skip)
        hidden = self.attention(self.bottleneck1(hidden, embedding))
        hidden = self.bottleneck2(hidden, embedding)
        for level in self.decoder:
            hidden = level(hidden, skips.pop(), embedding)
        return self.to_images(hidden)

    def to_images(self, hidden: Tensor) -> Tensor:
        """Map the last channels to images, [N, C, H, W]."""
        hidden = self.out(norm_silu(hidden, self.norm))
        return F.pixel_shuffle(hidden, self.patch_size)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attend with one head; all are [N, tokens, C]."""
    if query.shape[1] > MOST_PLAIN_TOKENS:
        return F.scaled_dot_product_attention(query, key, value)
    weights = (query @ key.transpose(1, 2) / math.sqrt(query.shape[2])).softmax(dim=2)
    return weights @ value


def _grouped_conv(channels: int, out_channels: int, groups: Groups, stride: int = 1) -> nn.Conv2d:
    number = layer_groups(groups, channels, out_channels)
    return nn.Conv2d(channels, out_channels, 3, stride, padding=1, groups=number)


def _check_size(image_size: int, patch_size: int, num_levels: int) -> None:
    if image_size % patch_size:
        raise InfeasibleRecipe(
            f"data.image_size is {image_size} with network.patch_size {patch_size}; "
            f"allowed: a multiple of {patch_size}"
        )
    # Halvings round up; a norm over the single pixel that they might leave would erase it.
    smallest = patch_size * (2 ** (num_levels - 1) + 1)
    if image_size < smallest:
        raise InfeasibleRecipe(
            f"data.image_size is {image_size}; mini_ddpm with {num_levels} widths and "
            f"network.patch_size {patch_size} allows {smallest} pixels or more"
        )
