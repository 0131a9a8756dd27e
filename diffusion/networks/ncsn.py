"""The NCSN: the small score network of the score-SDE tutorial (Song et al. 2021).

Four strided convolutions down, four transposed ones up with skip connections, the noise level
added to every layer. With widths 32-64-128-256, no labels and one channel: 1,115,297 parameters.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.errors import InfeasibleRecipe
from diffusion.networks.few_pixels import FewPixelsConv2d, FewPixelsConvTranspose2d
from diffusion.networks.layers import FourierFeatures, LabelEmbedding, group_norm, layer_groups
from diffusion.networks.norms import norm_silu
from diffusion.networks.thin_convolution import ThinConvTranspose2d
from diffusion.recipe import DataConfig, NetworkConfig

STRIDES = (1, 2, 2, 2)
FIRST_NORM_GROUPS = 4
NORM_GROUPS = 32


class Embedding(nn.Module):
    """The noise level, and the class where there is one, as one vector."""

    def __init__(self, config: NetworkConfig, num_classes: int) -> None:
        super().__init__()
        features = config.conditioning_width or config.widths[-1]
        field = "network.conditioning_width" if config.conditioning_width else "network.widths"
        self.noise = FourierFeatures(features, config.embedding_scale, field)
        self.linear = nn.Linear(features, features)
        self.label = LabelEmbedding(num_classes, features) if config.conditional else None

    def forward(self, noise_labels: Tensor, class_labels: Tensor) -> Tensor:
        vector = self.linear(self.noise(noise_labels))
        if self.label is not None:
            vector = vector + self.label(class_labels)
        return F.silu(vector)


class Block(nn.Module):
    """A convolution, the embedding added to its channels, a norm and swish."""

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d, embedding: int, norm: int) -> None:
        super().__init__()
        self.conv = conv
        self.dense = nn.Linear(embedding, conv.out_channels)
        self.norm = group_norm(conv.out_channels, norm)

    def forward(self, images: Tensor, embedding: Tensor) -> Tensor:
        return norm_silu(self.conv(images), self.norm, offset=self.dense(embedding))


class NCSN(nn.Module):
    """The NCSN that this module describes, called as `build_network` says."""

    def __init__(self, config: NetworkConfig, data: DataConfig) -> None:
        super().__init__()
        widths, features = config.widths, config.conditioning_width or config.widths[-1]
        sizes = _encoder_sizes(data.image_size)
        self.embedding = Embedding(config, data.num_classes)
        first = nn.Conv2d(data.channels, widths[0], 3, STRIDES[0], bias=False)
        self.encoder = nn.ModuleList([Block(first, features, FIRST_NORM_GROUPS)])
        for (narrow, wide), stride in zip(pairwise(widths), STRIDES[1:], strict=True):
            groups = layer_groups(config.groups, narrow, wide)
            down = FewPixelsConv2d(narrow, wide, 3, stride, groups)
            self.encoder.append(Block(down, features, NORM_GROUPS))
        self.decoder = nn.ModuleList()
        for level in (3, 2, 1):
            wide = widths[level] * (1 if level == 3 else 2)  # the skip is concatenated
            up = _up_conv(wide, widths[level - 1], config, sizes[level], sizes[level - 1])
            self.decoder.append(Block(up, features, NORM_GROUPS))
        self.out = ThinConvTranspose2d(2 * widths[0], data.channels, 3)

    def forward(self, images: Tensor, noise_labels: Tensor, class_labels: Tensor) -> Tensor:
        embedding = self.embedding(noise_labels, class_labels)
        skips: list[Tensor] = []
        hidden = images
        for block in self.encoder:
            hidden = block(hidden, embedding)
            skips.append(hidden)
        skips.pop()
        for block in self.decoder:
            hidden = torch.cat([block(hidden, embedding), skips.pop()], dim=1)
        return self.out(hidden)


def _encoder_sizes(image_size: int) -> list[int]:
    """Return the pixels along a side after each encoder layer."""
    sizes, size = [], image_size
    for stride in STRIDES:
        size = (size - 3) // stride + 1
        sizes.append(size)
    if size < 2:  # a norm over a single pixel would erase it
        raise InfeasibleRecipe(f"data.image_size is {image_size}; ncsn allows 25 pixels or more")
    return sizes


def _up_conv(
    wide: int, narrow: int, config: NetworkConfig, size: int, target: int
) -> FewPixelsConvTranspose2d:
    """Return a layer that doubles the size; its output padding makes it the encoder's."""
    groups = layer_groups(config.groups, wide, narrow)
    padding = target - (2 * (size - 1) + 3)
    return FewPixelsConvTranspose2d(wide, narrow, 3, 2, padding, groups)
