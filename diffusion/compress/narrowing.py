"""Layers from which channels are taken: their parameters, and the sizes that they go by."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from diffusion.networks.coupling import Axis, Convolution, Coupleable, Coupled, Norm, Stream
from diffusion.networks.layers import group_norm

Kept = Mapping[Stream, Tensor]


@torch.no_grad()
def narrow_layer(coupled: Coupled, kept: Kept) -> None:
    """Keep the kept channels of a layer, in place.

    What a grouped convolution joins stays joined; what no group of it joined begins at 0.

    Args:
        coupled: the layer and its streams.
        kept: the channels of each stream that stay, [narrow channels] int64 in order.
    """
    layer = coupled.layer
    outputs, inputs = _indices(coupled.outputs, kept), _indices(coupled.inputs, kept)
    if coupled.attends:
        _keep_temperature(layer, coupled.outputs[0], kept)
    if layer.bias is not None:
        layer.bias = nn.Parameter(_taken(layer.bias, outputs))
    if isinstance(layer, Convolution):
        _narrow_convolution(layer, outputs, inputs)
    elif isinstance(layer, Norm):
        _narrow_norm(layer, outputs)
    else:
        layer.weight = nn.Parameter(_taken(_taken(layer.weight, outputs), inputs, dim=1))
        if isinstance(layer, nn.Linear):
            layer.out_features, layer.in_features = layer.weight.shape


def _indices(axis: Axis, kept: Kept) -> Tensor | None:
    """Return the channels of an axis that stay; None where all do."""
    if not axis:
        return None
    begins = [sum(stream.channels for stream in axis[:i]) for i in range(len(axis))]
    return torch.cat([begin + kept[s] for begin, s in zip(begins, axis, strict=True)])


def _taken(values: Tensor, indices: Tensor | None, dim: int = 0) -> Tensor:
    """Return part of a tensor, a copy."""
    if indices is None:
        return values.detach().clone()
    return values.detach().index_select(dim, indices.to(values.device))


def _narrow_convolution(layer: Convolution, outputs: Tensor | None, inputs: Tensor | None) -> None:
    dense_groups = layer.groups
    is_max = dense_groups == min(layer.in_channels, layer.out_channels)
    layer.in_channels = layer.in_channels if inputs is None else len(inputs)
    layer.out_channels = layer.out_channels if outputs is None else len(outputs)
    if is_max:
        layer.groups = min(layer.in_channels, layer.out_channels)
    transposed = isinstance(layer, nn.ConvTranspose2d)
    first, second = (inputs, outputs) if transposed else (outputs, inputs)
    full = _taken(_taken(_ungrouped(layer.weight, dense_groups), first), second, dim=1)
    joined = _diagonal_blocks(full, layer.groups).movedim(-1, 0).flatten(0, 1)
    layer.weight = nn.Parameter(joined.contiguous())


def _ungrouped(weight: Tensor, groups: int) -> Tensor:
    """Return a grouped weight [N, M / groups, H, W] as that of one group, [N, M, H, W]."""
    full = weight.new_zeros(weight.shape[0], weight.shape[1] * groups, *weight.shape[2:])
    _diagonal_blocks(full, groups).copy_(weight.unflatten(0, (groups, -1)).movedim(0, -1))
    return full


def _diagonal_blocks(full: Tensor, groups: int) -> Tensor:
    """Return a view of what the groups join, [N / groups, M / groups, H, W, groups]."""
    blocks = full.unflatten(1, (groups, -1)).unflatten(0, (groups, -1))
    return blocks.diagonal(dim1=0, dim2=2)


def _narrow_norm(norm: Norm, kept: Tensor | None) -> None:
    norm.weight = nn.Parameter(_taken(norm.weight, kept))
    channels = len(norm.weight)
    if isinstance(norm, nn.GroupNorm):
        norm.num_groups = group_norm(channels, norm.num_groups).num_groups
        norm.num_channels = channels
    else:
        norm.normalized_shape = (channels,)


def _keep_temperature(layer: Coupleable, queries: Stream, kept: Kept) -> None:
    """Scale queries: attention divides their products by the root of their width."""
    scale = math.sqrt(len(kept[queries]) / queries.channels)
    for values in layer.parameters():
        values[: queries.channels] *= scale
