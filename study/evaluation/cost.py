"""What a network costs: parameters, multiply-accumulates and bytes, trained or not."""

import tempfile
from pathlib import Path

import torch
from torch import nn

from diffusion.compress.channels import remove_channels
from diffusion.compress.importance import l1_importances
from diffusion.compress.package import PACKAGE_NAME, gzip_state_dict_bytes, write_package
from diffusion.compress.prune import prune
from diffusion.compress.uniform import Steps, relative_steps, round_weights
from diffusion.networks import build_network, count_macs, count_parameters
from diffusion.recipe import DataConfig, Recipe

FILL_STD = 0.02


def untrained_network(recipe: Recipe, *, filled: bool = True) -> nn.Module:
    """Build a recipe's network and prune it, channels by their weights.

    Args:
        recipe: names the network and the pruning.
        filled: whether zeros that training would move are small numbers, as after it.

    Raises:
        InfeasibleRecipe: the network cannot be built.
    """
    network = build_network(recipe.network, recipe.data, recipe.training.seed)
    if filled:
        _fill_zeros(network)
    if ratio := recipe.compression.channel_ratio:
        remove_channels(network, recipe.network, ratio, l1_importances)
    prune(network, recipe.compression)
    return network


@torch.no_grad()
def _fill_zeros(network: nn.Module) -> None:
    """Make up for training, which leaves no zeros: an initialised network has whole tensors."""
    generator = torch.Generator().manual_seed(0)
    for values in network.parameters():
        fill = FILL_STD * torch.randn(values.shape, generator=generator)
        values.copy_(torch.where(values == 0, fill, values))


def network_counts(network: nn.Module, data: DataConfig) -> dict[str, int]:
    """Return what is counted of a network, trained or not: its parameters and its work."""
    parameters, nonzero_parameters = count_parameters(network)
    return {
        "parameters": parameters,
        "nonzero_parameters": nonzero_parameters,
        "macs": count_macs(network, data),
    }


def package_bytes(recipe: Recipe, network: nn.Module, steps: Steps | None = None) -> int:
    """Return the length that a network's model file would have.

    Args:
        steps: of quantization `uniform`, where the network is rounded to them already.
    """
    with tempfile.TemporaryDirectory() as folder:
        return write_package(Path(folder) / PACKAGE_NAME, recipe, network, steps)


def untrained_cost(recipe: Recipe) -> dict[str, int]:
    """Return a recipe's size and cost, measured on its network, pruned but not trained.

    Uniform steps are the same in all tensors: how they differ is settled by the training.

    Raises:
        InfeasibleRecipe: the network cannot be built.
    """
    network, compression, steps = untrained_network(recipe), recipe.compression, None
    if compression.quantization == "uniform":
        steps = relative_steps(network, compression.quantization_step)
        round_weights(network, steps)
    return {
        **network_counts(network, recipe.data),
        "size_bytes": package_bytes(recipe, network, steps),
        "gzip_state_dict_bytes": gzip_state_dict_bytes(recipe, network, steps),
    }
