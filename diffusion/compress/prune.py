"""Unstructured pruning: a share of the weights of every layer in a region becomes zero.

Each tensor loses the same share, chosen at random or by smallest magnitude (L1). Pruned are the
weights of convolutions and the weights and biases of linear layers, outside the embedding of the
noise level and the label.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from diffusion.recipe import CompressionConfig, PruneRegion

Layer = nn.Conv2d | nn.ConvTranspose2d | nn.Linear


@torch.no_grad()
def prune(network: nn.Module, config: CompressionConfig) -> None:
    """Set weights of a network to zero, in place.

    Args:
        network: one of ours; its layers are taken in the order in which they were built.
        config: method, ratio, region and, for random pruning, the seed.
    """
    if config.prune_method == "none":
        return
    generator = torch.Generator().manual_seed(config.prune_seed)
    for layer in region_layers(network, config.prune_region):
        for values in _prunable_tensors(layer):
            importance = (
                torch.rand(values.shape, generator=generator)
                if config.prune_method == "random"
                else values.abs().cpu()
            )
            values[_lowest(importance, config.prune_ratio).to(values.device)] = 0


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


def _prunable_layers(network: nn.Module) -> Iterator[Layer]:
    for name, module in network.named_modules():
        in_embedding = name.startswith("embedding.")
        if isinstance(module, Layer) and not in_embedding:
            yield module


def _prunable_tensors(layer: Layer) -> Iterator[Tensor]:
    yield layer.weight
    if isinstance(layer, nn.Linear) and layer.bias is not None:
        yield layer.bias


def _lowest(importance: Tensor, ratio: float) -> Tensor:
    """Mark the `ratio` of the entries that matter least; the count is rounded."""
    count = round(ratio * importance.numel())
    lowest = torch.zeros(importance.numel(), dtype=torch.bool)
    lowest[importance.flatten().argsort(stable=True)[:count]] = True
    return lowest.reshape(importance.shape)
