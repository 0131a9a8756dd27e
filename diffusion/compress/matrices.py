"""Layers as matrices: what a layer multiplies is rows of its input, whatever its kind."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.networks.layers import PackedProjection

Convolution = nn.Conv2d | nn.ConvTranspose2d
MATRIX_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, PackedProjection)


def weight_matrix(layer: nn.Module) -> Tensor:
    """Return a layer's weight as [groups, outputs, inputs], a copy where it must be."""
    weight: Tensor = layer.get_parameter("weight").detach()
    if isinstance(layer, nn.Conv2d):
        return weight.reshape(layer.groups, weight.shape[0] // layer.groups, -1)
    if isinstance(layer, nn.ConvTranspose2d):
        # [inputs of all groups, outputs of one, H, W]; as a convolution its kernel is turned.
        grouped = weight.flip(2, 3).unflatten(0, (layer.groups, -1)).transpose(1, 2)
        return grouped.flatten(2)
    return weight[None]


@torch.no_grad()
def set_weight_matrix(layer: nn.Module, matrix: Tensor) -> None:
    """Set a layer's weight to what `weight_matrix` would return as this matrix."""
    weight = layer.get_parameter("weight")
    if isinstance(layer, nn.ConvTranspose2d):
        inputs = weight.shape[0] // layer.groups
        grouped = matrix.unflatten(2, (inputs, *weight.shape[2:])).transpose(1, 2)
        weight.copy_(grouped.flatten(0, 1).flip(2, 3))
    else:
        weight.copy_(matrix.reshape(weight.shape))


def input_rows(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Return what a layer's weight matrix is multiplied by, [groups, rows, inputs].

    Args:
        layer: one of MATRIX_LAYERS.
        inputs: of the layer: [N, C, H, W] for a convolution, else [..., features].
    """
    if not isinstance(layer, Convolution):
        return inputs.reshape(1, -1, inputs.shape[-1])
    if isinstance(layer, nn.ConvTranspose2d):
        patches = _transposed_patches(layer, inputs)
    else:
        size, padding = _pair(layer.kernel_size), _pair(layer.padding)
        patches = F.unfold(inputs, size, padding=padding, stride=_pair(layer.stride))
    # [N, groups * inputs, positions]
    return patches.unflatten(1, (layer.groups, -1)).permute(1, 0, 3, 2).flatten(1, 2)


def _transposed_patches(layer: nn.ConvTranspose2d, inputs: Tensor) -> Tensor:
    """Return the patches of the plain convolution that a transposed one is, over spread inputs."""
    stride, extra = _pair(layer.stride), _pair(layer.output_padding)
    size, padding = _pair(layer.kernel_size), _pair(layer.padding)
    number, channels, *sides = inputs.shape
    spread_sides = [
        (side - 1) * step + 1 + more for side, step, more in zip(sides, stride, extra, strict=True)
    ]
    spread = inputs.new_zeros(number, channels, *spread_sides)
    ends = [(side - 1) * step + 1 for side, step in zip(sides, stride, strict=True)]
    spread[:, :, : ends[0] : stride[0], : ends[1] : stride[1]] = inputs
    margins = (size[0] - 1 - padding[0], size[1] - 1 - padding[1])
    return F.unfold(spread, size, padding=margins)


def _pair(value: int | str | tuple[int, ...]) -> tuple[int, int]:
    """Return a convolution's option for both sides."""
    if isinstance(value, tuple) and len(value) == 2:
        return value
    raise TypeError(f"a convolution's option is {value!r}; allowed: a pair")
