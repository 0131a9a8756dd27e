"""The DDPM: a U-Net of double convolutions with self-attention after every level.

With base width w its levels have w, 2w, 4w and 4w channels and its bottleneck 8w. At w = 56, one
channel and ten classes: 17,868,145 parameters; with the bottleneck in two groups 14,029,681; at
w = 64 and three channels 23,335,299.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.errors import InfeasibleRecipe
from diffusion.networks.layers import (
    Groups,
    PackedProjection,
    SinusoidalFeatures,
    layer_groups,
)
from diffusion.recipe import DataConfig, NetworkConfig

HEADS = 4
SMALLEST_IMAGE = 16  # Three halvings leave 2x2 pixels.
# The published encoding counts 1000 steps, with periods of up to 10,000 of them.
TIME_SCALE, LONGEST_PERIOD = 1_000.0, 10_000.0


class Embedding(nn.Module):
    """The noise level, and the class where it is not hidden, as one vector."""

    def __init__(self, features: int, config: NetworkConfig, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.noise = SinusoidalFeatures(features, TIME_SCALE, LONGEST_PERIOD)
        self.label = nn.Embedding(num_classes, features) if config.conditional else None

    def forward(self, noise_labels: Tensor, class_labels: Tensor) -> Tensor:
        vector = self.noise(noise_labels)
        if self.label is not None:
            # The hidden label has no vector of its own: nothing is added.
            known = (class_labels < self.num_classes)[:, None]
            vector = vector + self.label(class_labels.clamp(max=self.num_classes - 1)) * known
        return F.silu(vector)


class DoubleConv(nn.Module):
    """Two convolutions, each normed as a whole, GELU between; `residual` adds the input."""

    def __init__(
        self,
        channels: int,
        out_channels: int,
        groups: Groups,
        middle_channels: int | None = None,
        *,
        residual: bool = False,
    ) -> None:
        super().__init__()
        middle = out_channels if middle_channels is None else middle_channels
        self.residual = residual
        self.conv1 = _conv(channels, middle, groups)
        self.norm1 = nn.GroupNorm(1, middle)
        self.conv2 = _conv(middle, out_channels, groups)
        self.norm2 = nn.GroupNorm(1, out_channels)

    def forward(self, images: Tensor) -> Tensor:
        hidden = F.gelu(self.norm1(self.conv1(images)))
        hidden = self.norm2(self.conv2(hidden))
        return F.gelu(images + hidden) if self.residual else hidden


class SelfAttention(nn.Module):
    """Attention over all pixels and a feed-forward layer, each beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.in_proj = PackedProjection(channels, 3 * channels)
        self.out_proj = nn.Linear(channels, channels)
        self.norm2 = nn.LayerNorm(channels)
        self.linear1 = nn.Linear(channels, channels)
        self.linear2 = nn.Linear(channels, channels)

    def forward(self, images: Tensor) -> Tensor:
        tokens = images.flatten(2).transpose(1, 2)  # [N, pixels, channels]
        query, key, value = self.in_proj(self.norm1(tokens)).chunk(3, dim=2)
        heads = [part.unflatten(2, (HEADS, -1)).transpose(1, 2) for part in (query, key, value)]
        mixed = F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        tokens = tokens + self.out_proj(mixed)
        tokens = tokens + self.linear2(F.gelu(self.linear1(self.norm2(tokens))))
        return tokens.transpose(1, 2).reshape(images.shape)


class DownLevel(nn.Module):
    """A level down: half the size, two double convolutions, the embedding added, attention."""

    def __init__(self, channels: int, out_channels: int, embedding: int, groups: Groups) -> None:
        super().__init__()
        self.block1 = DoubleConv(channels, channels, groups, residual=True)
        self.block2 = DoubleConv(channels, out_channels, groups)
        self.dense = nn.Linear(embedding, out_channels)
        self.attention = SelfAttention(out_channels)

    def forward(self, images: Tensor, embedding: Tensor) -> Tensor:
        hidden = self.block2(self.block1(F.max_pool2d(images, 2)))
        return self.attention(hidden + self.dense(embedding)[:, :, None, None])


class UpLevel(nn.Module):
    """A level up: the skip's size, the skip, two double convolutions, the embedding, attention."""

    def __init__(self, channels: int, out_channels: int, embedding: int, groups: Groups) -> None:
        super().__init__()
        self.block1 = DoubleConv(channels, channels, groups, residual=True)
        self.block2 = DoubleConv(channels, out_channels, groups, channels // 2)
        self.dense = nn.Linear(embedding, out_channels)
        self.attention = SelfAttention(out_channels)

    def forward(self, images: Tensor, skip: Tensor, embedding: Tensor) -> Tensor:
        # Twice the size, but where an odd one was rounded down on the way.
        grown = F.interpolate(images, skip.shape[2:], mode="bilinear", align_corners=True)
        hidden = self.block2(self.block1(torch.cat([skip, grown], dim=1)))
        return self.attention(hidden + self.dense(embedding)[:, :, None, None])


class DDPM(nn.Module):
    """The DDPM that this module describes, called as `build_network` says."""

    def __init__(self, config: NetworkConfig, data: DataConfig) -> None:
        super().__init__()
        (width,) = config.widths
        _check_sizes(width, data.image_size)
        features = 4 * width
        bottleneck = config.groups
        groups: Groups = config.groups if config.grouped_layers == "all" else 1
        self.embedding = Embedding(features, config, data.num_classes)
        self.stem = DoubleConv(data.channels, width, 1)  # grey images allow no groups
        self.encoder = nn.ModuleList(
            DownLevel(narrow, wide, features, groups)
            for narrow, wide in ((width, 2 * width), (2 * width, 4 * width), (4 * width,) * 2)
        )
        self.bottleneck = nn.Sequential(
            DoubleConv(4 * width, 8 * width, bottleneck),
            DoubleConv(8 * width, 8 * width, bottleneck),
            DoubleConv(8 * width, 4 * width, bottleneck),
        )
        self.decoder = nn.ModuleList(
            UpLevel(wide, narrow, features, groups)
            for wide, narrow in ((8 * width, 2 * width), (4 * width, width), (2 * width, width))
        )
        self.out = nn.Conv2d(width, data.channels, 1)

    def forward(self, images: Tensor, noise_labels: Tensor, class_labels: Tensor) -> Tensor:
        embedding = self.embedding(noise_labels, class_labels)
        hidden = self.stem(images)
        skips: list[Tensor] = []
        for level in self.encoder:
            skips.append(hidden)
            hidden = level(hidden, embedding)
        hidden = self.bottleneck(hidden)
        for level in self.decoder:
            hidden = level(hidden, skips.pop(), embedding)
        return self.out(hidden)


def _conv(channels: int, out_channels: int, groups: Groups) -> nn.Conv2d:
    number = layer_groups(groups, channels, out_channels)
    return nn.Conv2d(channels, out_channels, 3, padding=1, bias=False, groups=number)


def _check_sizes(width: int, image_size: int) -> None:
    if width % HEADS:
        raise InfeasibleRecipe(
            f"network.widths is [{width}]; allowed for ddpm: a multiple of its {HEADS} heads"
        )
    if image_size < SMALLEST_IMAGE:
        raise InfeasibleRecipe(
            f"data.image_size is {image_size}; ddpm allows {SMALLEST_IMAGE} pixels or more"
        )
