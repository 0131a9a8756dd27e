"""What is known of a model before a second of training, and which limits that exceeds.

Parameters and multiply-accumulates are exact. What training settles is bounded from below, so that
no recipe is refused that might have kept to its limits.
"""

import functools
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from diffusion.compress.package import PACKAGE_NAME, write_package
from diffusion.compress.prune import prune
from diffusion.networks import build_network, count_macs, count_parameters
from diffusion.recipe import DataConfig, NetworkConfig, Recipe

FILL_STD = 0.02
# Shorter trainings were not measured: whole tensors that begin at zero may still lie close to it.
LEAST_TRAIN_IMAGES = 16_000
# The share by which a trained model's file may be smaller than that of an untrained one: up to
# 0.029 in 300 trained models (ncsn and mini_ddpm, 16,000 to 300,000 images, all quantizations).
SIZE_MARGIN = 0.06
# The share of a model's 4-bit codes that may stand for zero: up to 0.089 in the same models.
ZERO_CODES = 0.18
# One in a million 8-bit codes may stand for zero; and which filters are pruned depends on the
# training, so random pruning hits others of them: 0.010 between 60 seeds of a small network.
COUNT_MARGIN = 0.02


def excess(recipe: Recipe, limits: Mapping[str, float]) -> str | None:
    """Say why a recipe is sure to exceed a limit, whatever its training.

    Args:
        recipe: of a network that can be built.
        limits: the most that a score may be, by its name; others than those known before
            training are passed over.

    Returns:
        The reason, or None where the recipe may keep to them all.

    Raises:
        InfeasibleRecipe: the network cannot be built.
    """
    for name, bound in _BOUNDS.items():
        if name in limits and (least := bound(recipe)) > limits[name]:
            return f"{name} would be at least {least:,}; the limit is {limits[name]:,.10g}"
    return None


def untrained_network(recipe: Recipe, *, filled: bool = True) -> nn.Module:
    """Build a recipe's network and prune it.

    Args:
        recipe: names the network and the pruning.
        filled: whether zeros that training would move are small numbers, as after it.

    Raises:
        InfeasibleRecipe: the network cannot be built.
    """
    network = build_network(recipe.network, recipe.data, recipe.training.seed)
    if filled:
        _fill_zeros(network)
    prune(network, recipe.compression)
    return network


@functools.lru_cache(maxsize=256)
def _cost(network: NetworkConfig, data: DataConfig) -> tuple[int, int]:
    """Return the parameters and the multiply-accumulates of a network."""
    built = build_network(network, data)
    return count_parameters(built)[0], count_macs(built, data)


def _least_nonzero(recipe: Recipe) -> int:
    compression, network = recipe.compression, _as_trained(recipe)
    if network is None:
        return 0
    least = float(count_parameters(network)[1])
    if compression.quantization == "linear4":
        linears = [m.weight for m in network.modules() if isinstance(m, nn.Linear)]
        least -= ZERO_CODES * sum(int(weight.count_nonzero()) for weight in linears)
    mixed = compression.prune_method == "random" and compression.filter_ratio > 0
    if mixed or compression.quantization != "none":
        least *= 1 - COUNT_MARGIN
    return int(least)


def _least_size(recipe: Recipe) -> int:
    network = _as_trained(recipe)
    if network is None:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        size_bytes = write_package(Path(folder) / PACKAGE_NAME, recipe, network)
    return int((1 - SIZE_MARGIN) * size_bytes)


def _as_trained(recipe: Recipe) -> nn.Module | None:
    """Return a network that stands for the trained one; None where none does."""
    if recipe.training.quantization == "linear4_frozen":
        return None  # keeps few distinct weights, of which many are zero
    return untrained_network(recipe, filled=recipe.training.train_images >= LEAST_TRAIN_IMAGES)


@torch.no_grad()
def _fill_zeros(network: nn.Module) -> None:
    """Make up for training, which leaves no zeros: an initialised network has whole tensors."""
    generator = torch.Generator().manual_seed(0)
    for values in network.parameters():
        fill = FILL_STD * torch.randn(values.shape, generator=generator)
        values.copy_(torch.where(values == 0, fill, values))


# From the cheapest to the dearest.
_BOUNDS = {
    "parameters": lambda recipe: _cost(recipe.network, recipe.data)[0],
    "macs": lambda recipe: _cost(recipe.network, recipe.data)[1],
    "nonzero_parameters": _least_nonzero,
    "size_bytes": _least_size,
}
