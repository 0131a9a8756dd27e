"""Pruning: weights of the layers in a region become zero, one by one or as whole filters.

Unstructured pruning takes a share of the weights, at random or by smallest magnitude (L1), from
every tensor alike or from all of them ranked together. Pruned are the weights of convolutions and
the weights and biases of linear layers, outside the embedding of the noise level and the label.
Structured pruning takes those filters of each convolution whose weights have the smallest L1 norm.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from diffusion.recipe import CompressionConfig, PruneRegion

Convolution = nn.Conv2d | nn.ConvTranspose2d
Layer = Convolution | nn.Linear
OUTPUT = "out"  # Of every network: the layer whose filters are the image's channels.


@torch.no_grad()
def prune(network: nn.Module, config: CompressionConfig) -> None:
    """Set weights of a network to zero, in place: first filters, then single weights.

    Args:
        network: one of ours; its layers are taken in the order in which they were built.
        config: method, ratio, region, scope, profile and, for random pruning, the seed; methods
            that remove channels (`remove_channels`) set nothing to zero.
    """
    layers = region_layers(network, config.prune_region)
    if config.filter_ratio > 0:
        _prune_filters(network, layers, config.filter_ratio)
    if not config.prunes_weights:
        return
    ratios = _layer_ratios(config, len(layers))
    chosen = [
        (values, ratio)
        for layer, ratio in zip(layers, ratios, strict=True)
        for values in _prunable_tensors(layer)
    ]
    importances = _importances([values for values, _ in chosen], config)
    if config.prune_scope == "global":
        ranked = _lowest(torch.cat([scores.flatten() for scores in importances]), ratios[0])
        masks = list(ranked.split([scores.numel() for scores in importances]))
    else:
        masks = [
            _lowest(scores, ratio) for scores, (_, ratio) in zip(importances, chosen, strict=True)
        ]
    for (values, _), mask in zip(chosen, masks, strict=True):
        values[mask.reshape(values.shape).to(values.device)] = 0


def region_layers(network: nn.Module, region: PruneRegion) -> list[Layer]:
    """Return the prunable layers of a region, from the input to the output.

    `extremes` are the first and the last quarter of the layers (rounded), `middle` the rest.
    """
    layers = list(_prunable_layers(network))
    quarter = (len(layers) + 2) // 4
    middle = slice(quarter, len(layers) - quarter)
    if region == "middle":
        return layers[middle]
    return layers[:quarter] + layers[middle.stop :] if region == "extremes" else layers


def pruned_masks(network: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Return the tensors that pruning may touch, each with where it is zero now."""
    tensors = [
        values
        for layer in _prunable_layers(network)
        for values in (layer.weight, layer.bias)
        if values is not None
    ]
    return [(values, values.detach() == 0) for values in tensors]


def _prunable_layers(network: nn.Module) -> Iterator[Layer]:
    for name, module in network.named_modules():
        in_embedding = name.startswith("embedding.")
        if isinstance(module, Layer) and not in_embedding:
            yield module


def _prunable_tensors(layer: Layer) -> Iterator[Tensor]:
    yield layer.weight
    if isinstance(layer, nn.Linear) and layer.bias is not None:
        yield layer.bias


def _layer_ratios(config: CompressionConfig, count: int) -> list[float]:
    """Return each layer's ratio; a central profile rises linearly to `prune_ratio` and falls."""
    if config.prune_profile == "flat":
        return [config.prune_ratio] * count
    # The nearness to the closer end, from just above 0 at the ends to 1 at the centre.
    nearness = [min(i + 1, count - i) for i in range(count)]
    return [config.prune_ratio * near / max(nearness) for near in nearness]


def _importances(tensors: list[Tensor], config: CompressionConfig) -> list[Tensor]:
    """Return how much each weight matters: its magnitude, or a random number."""
    if config.prune_method == "l1":
        return [values.abs().cpu() for values in tensors]
    generator = torch.Generator().manual_seed(config.prune_seed)
    return [torch.rand(values.shape, generator=generator) for values in tensors]


def _prune_filters(network: nn.Module, layers: list[Layer], ratio: float) -> None:
    output = network.get_submodule(OUTPUT)
    for layer in layers:
        if isinstance(layer, Convolution) and layer is not output:
            filters = _by_filter(layer)
            norms = filters.abs().sum(dim=(2, 3, 4)).cpu()
            weakest = _lowest(norms, ratio).to(filters.device)
            filters[weakest] = 0
            if layer.bias is not None:
                layer.bias[weakest.flatten()] = 0


def _by_filter(layer: Convolution) -> Tensor:
    """Return a view of a convolution's weight as [groups, filters, channels, H, W]."""
    if isinstance(layer, nn.Conv2d):
        return layer.weight.unflatten(0, (layer.groups, -1))
    # Transposed: [channels of all groups, filters of one, H, W].
    return layer.weight.unflatten(0, (layer.groups, -1)).transpose(1, 2)


def _lowest(importance: Tensor, ratio: float) -> Tensor:
    """Mark the `ratio` of the entries that matter least; the count is rounded."""
    count = round(ratio * importance.numel())
    lowest = torch.zeros(importance.numel(), dtype=torch.bool)
    lowest[importance.flatten().argsort(stable=True)[:count]] = True
    return lowest.reshape(importance.shape)
