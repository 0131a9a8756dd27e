"""What is known of a model before a second of training, and which limits that exceeds.

Parameters and multiply-accumulates are exact. What training settles is bounded from below, so that
no recipe is refused that might have kept to its limits.
"""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import nn

from diffusion.compress.channels import remove_channels
from diffusion.compress.uniform import covered_names
from diffusion.networks import build_network, count_macs, count_parameters
from diffusion.networks.coupling import Convolution
from diffusion.recipe import (
    CompressionConfig,
    DataConfig,
    NetworkConfig,
    Recipe,
    SamplingConfig,
    TrainingConfig,
)
from diffusion.variant_config import LARGEST_STEP
from study.evaluation.cost import package_bytes, untrained_network
from study.results.limits import floor

# Shorter trainings were not measured: whole tensors that begin at zero may still lie close to it.
LEAST_TRAIN_IMAGES = 16_000
# The share by which a trained model's file may be smaller than that of an untrained one: up to
# 0.029 in 300 trained models (ncsn and mini_ddpm, 16,000 to 300,000 images, all quantizations).
SIZE_MARGIN = 0.06
# The same with uniform steps: what the allotment and training do to it is wider. The file was from
# 0.84 to 1.30 times the untrained one's in small mini_ddpm and ncsn (2,000 images, steps of 0.1
# to 3, pruned or not, rounded or cooled down); longer trainings have heavier tails, which cost
# less.
UNIFORM_MARGIN = 0.5
STEPS_AN_OCTAVE = 4  # Steps that are judged as one, by the coarsest of them.
# The share of a model's 4-bit codes that may stand for zero: up to 0.089 in the same models.
ZERO_CODES = 0.18
# One in a million 8-bit codes may stand for zero; and which filters are pruned depends on the
# training, so random pruning hits others of them: 0.010 between 60 seeds of a small network.
COUNT_MARGIN = 0.02
EXACT_BEFORE = ("parameters", "macs")  # which no training changes


def excess(recipe: Recipe, limits: Mapping[str, float]) -> str | None:
    """Say why a recipe is sure to exceed a limit, whatever its training.

    Args:
        recipe: of a network that can be built.
        limits: by their keys; those of others than what is known before training are passed
            over.

    Returns:
        The reason, or None where the recipe may keep to them all.

    Raises:
        InfeasibleRecipe: the network cannot be built.
    """
    for name, bound in _BOUNDS.items():
        if name in limits and (least := bound(recipe)) > limits[name]:
            return f"{name} would be at least {least:,}; the limit is {limits[name]:,.10g}"
    for name in EXACT_BEFORE:
        if floor(name) in limits and (value := _BOUNDS[name](recipe)) < limits[floor(name)]:
            return f"{name} would be {value:,}; the limit is {limits[floor(name)]:,.10g} or more"
    return None


@functools.lru_cache(maxsize=256)
def _cost(network: NetworkConfig, data: DataConfig, channel_ratio: float) -> tuple[int, int]:
    """Return the parameters and the multiply-accumulates of a network without some channels."""
    built = build_network(network, data)
    if channel_ratio:
        remove_channels(built, network, channel_ratio)
    return count_parameters(built)[0], count_macs(built, data)


def _narrow_network(recipe: Recipe) -> tuple[NetworkConfig, DataConfig, float]:
    return recipe.network, recipe.data, recipe.compression.channel_ratio


def stand_in(recipe: Recipe) -> Recipe:
    """Return the recipe that stands for all whose models have the same bounds.

    It keeps what the bounds depend on: the network, how it is quantized in training and after,
    how it is pruned, and whether the training is long enough to move every weight. The EMA track,
    how images are drawn, seeds and all else about the training have the same values in all.
    """
    training, compression = recipe.training, recipe.compression
    long = training.train_images >= LEAST_TRAIN_IMAGES
    return Recipe(
        data=recipe.data,
        network=recipe.network,
        training=TrainingConfig(
            LEAST_TRAIN_IMAGES if long else 1, quantization=training.quantization
        ),
        compression=_stand_in_compression(compression),
        sampling=SamplingConfig(guidance=1.0),  # which a network without labels allows, too
    )


def _stand_in_compression(compression: CompressionConfig) -> CompressionConfig:
    """Return what is done to the weights, without the cool-down: it hardly moves the size."""
    plain = CompressionConfig()
    step = compression.quantization_step
    if step > 0:
        exponent = math.ceil(STEPS_AN_OCTAVE * math.log2(step)) / STEPS_AN_OCTAVE
        step = min(2.0**exponent, LARGEST_STEP)
    return replace(
        compression,
        prune_seed=0,
        quantization_step=step,
        finetune_images=plain.finetune_images,
        finetune_learning_rate=plain.finetune_learning_rate,
        finetune_batch_size=plain.finetune_batch_size,
        finetune_teacher=plain.finetune_teacher,
    )


@functools.cache
def _least_nonzero(recipe: Recipe) -> int:
    compression, network = recipe.compression, _as_trained(recipe)
    if network is None:
        return 0
    least = float(count_parameters(network)[1])
    if compression.quantization == "uniform":  # any share of its multiples may be 0
        covered = [network.get_parameter(name) for name in covered_names(network)]
        least -= sum(int(weight.count_nonzero()) for weight in covered)
    elif compression.channel_ratio:  # what is lost between groups depends on the training
        grouped = [m for m in network.modules() if isinstance(m, Convolution) and m.groups > 1]
        least -= sum(int(layer.weight.count_nonzero()) for layer in grouped)
    if compression.quantization == "linear4":
        linears = [m.weight for m in network.modules() if isinstance(m, nn.Linear)]
        least -= ZERO_CODES * sum(int(weight.count_nonzero()) for weight in linears)
    mixed = compression.prune_method == "random" and compression.filter_ratio > 0
    if mixed or compression.quantization != "none":
        least *= 1 - COUNT_MARGIN
    return int(least)


@functools.cache
def _least_size(recipe: Recipe) -> int:
    network = _as_trained(recipe)
    if network is None:
        return 0
    margin = UNIFORM_MARGIN if recipe.compression.quantization == "uniform" else SIZE_MARGIN
    return int((1 - margin) * package_bytes(recipe, network))


def _as_trained(recipe: Recipe) -> nn.Module | None:
    """Return a network that stands for the trained one; None where none does."""
    if recipe.training.quantization == "linear4_frozen":
        return None  # keeps few distinct weights, of which many are zero
    return untrained_network(recipe, filled=recipe.training.train_images >= LEAST_TRAIN_IMAGES)


# From the cheapest to the dearest.
_BOUNDS: dict[str, Callable[[Recipe], int]] = {
    "parameters": lambda recipe: _cost(*_narrow_network(recipe))[0],
    "macs": lambda recipe: _cost(*_narrow_network(recipe))[1],
    "nonzero_parameters": lambda recipe: _least_nonzero(stand_in(recipe)),
    "size_bytes": lambda recipe: _least_size(stand_in(recipe)),
}
