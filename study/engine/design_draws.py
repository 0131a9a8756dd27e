"""What a design is chosen from: knobs drawn at random, with their levels and what they cost."""

import functools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import RandomSampler
from torch import Tensor, nn

from diffusion.compress.channels import remove_channels
from diffusion.compress.quantize import covered_bits
from diffusion.compress.uniform import MULTIPLYING, covered_names
from diffusion.errors import InvalidRecipe
from diffusion.networks import build_network
from diffusion.recipe import DataConfig, NetworkConfig, Quantization, Recipe
from search_spaces.space import SearchSpace, Value
from study.engine.draws import begun, fixing, suggested
from study.results.objectives import Scores

Level = tuple[str, Value]  # A knob's name and its value, or the stratum that holds it.
# A numeric knob of at most so many values has each of them as a level, any other one has strata.
MOST_VALUES, NUM_STRATA = 8, 4
PASSES = 3  # Backward costs about twice what forward does.
PLAIN_BITS = 16  # Of a weight that is not quantized, as model files hold it.


@dataclass(frozen=True)
class Candidate:
    """Knobs that make a recipe.

    Attributes:
        levels: of all its knobs.
    """

    knobs: dict[str, Value]
    recipe: Recipe
    levels: frozenset[Level]


@dataclass(frozen=True)
class NetworkCost:
    """What a network costs, before it is compressed.

    Attributes:
        macs: multiply-accumulates of the layers in one call on one image.
        parameters: of all layers.
        covered: parameters that a quantization covers, by its name.
    """

    macs: int
    parameters: int
    covered: Mapping[Quantization, int]

    def scores(self) -> Scores:
        """Return what is known of any model of the network, by the names of scores."""
        return {
            "macs": self.macs,
            "parameters": self.parameters,
            "nonzero_parameters": self.parameters,
        }

    def train_macs(self, recipe: Recipe) -> int:
        """Return the multiply-accumulates of a recipe's training."""
        return PASSES * self.macs * recipe.training.train_images

    def cool_down_macs(self, recipe: Recipe) -> int:
        """Estimate the multiply-accumulates of a recipe's cool-down."""
        kept = (1 - recipe.compression.channel_ratio) ** 2  # of the inputs, and of the outputs
        return int(kept * PASSES * self.macs * recipe.compression.finetune_images)

    def size_bytes(self, recipe: Recipe) -> float:
        """Estimate the length of a recipe's file, as though pruning took its ratio everywhere."""
        compression = recipe.compression
        covered = self.covered.get(compression.quantization, 0)
        bits = covered * _bits(compression.quantization, compression.quantization_step)
        bits += (self.parameters - covered) * PLAIN_BITS
        kept = (1 - compression.prune_ratio) * (1 - compression.filter_ratio)
        kept *= 1 - compression.channel_ratio  # gone on both sides of a layer
        return kept * bits / 8


def candidates(
    space: SearchSpace,
    data: DataConfig,
    seeds: Iterable[int],
    fixed: Mapping[str, Value] | None = None,
) -> Iterator[Candidate]:
    """Draw knobs at random, one set a seed; what makes no recipe is left out.

    Args:
        space: holds the knobs.
        data: that the recipes are for.
        seeds: of the draws.
        fixed: knobs that are not drawn.
    """
    for seed in seeds:
        trial = begun((), fixing(fixed or {}, RandomSampler(seed=seed)))
        try:
            recipe = suggested(space, trial, data)
        except InvalidRecipe:
            continue
        knobs, distributions = trial.params, trial.distributions
        levels = ((name, _level(value, distributions[name])) for name, value in knobs.items())
        yield Candidate(knobs, recipe, frozenset(levels))


@functools.lru_cache(maxsize=1_024)
def network_cost(
    network: NetworkConfig, data: DataConfig, channel_ratio: float = 0.0
) -> NetworkCost:
    """Build a network and count what it costs, maybe without a share of its channels.

    Raises:
        InfeasibleRecipe: it cannot be built.
    """
    built = build_network(network, data).eval()
    if channel_ratio:
        remove_channels(built, network, channel_ratio)
    covered: dict[Quantization, int] = {
        name: _num_weights(built, covered_bits(built, name))
        for name in ("linear8", "linear4", "weights8")
    }
    covered["uniform"] = _num_weights(built, covered_names(built))
    parameters = sum(values.numel() for values in built.parameters())
    return NetworkCost(_layer_macs(built, data), parameters, covered)


@torch.no_grad()
def _layer_macs(network: nn.Module, data: DataConfig) -> int:
    """Count multiply-accumulates of a network's layers in one call on one image.

    It takes a tenth of what counting all of them does, which adds those between queries and keys.
    """
    counts: list[int] = []

    def count(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        # A weight is [out, in, ...], but [in, out, ...] where the convolution is transposed.
        transposed = isinstance(layer, nn.ConvTranspose2d)
        counts.append((inputs[0] if transposed else output).numel() * layer.weight[0].numel())

    for module in network.modules():
        if isinstance(module, MULTIPLYING) and not isinstance(module, nn.Embedding):
            module.register_forward_hook(count)
    image = torch.zeros(1, data.channels, data.image_size, data.image_size)
    network(image, torch.zeros(1), torch.zeros(1, dtype=torch.int64))
    return sum(counts)


def _num_weights(network: nn.Module, names: Iterable[str]) -> int:
    return sum(network.get_parameter(name).numel() for name in names)


def _bits(quantization: Quantization, step: float) -> float:
    """Return the bits of a covered weight."""
    if quantization == "uniform":
        # For small steps the entropy of a rounded Gaussian, log2(sqrt(2 pi e) / step); for large
        # ones it stays above 0.
        return 0.5 * math.log2(1 + 2 * math.pi * math.e / step**2)
    return 4 if quantization == "linear4" else 8


def holds(distribution: BaseDistribution | None, value: Value) -> bool:
    """Whether a knob can have a value; None stands for one that is not there."""
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    numeric: Any = distribution
    return numeric is not None and numeric.low <= value <= numeric.high


def _level(value: Any, distribution: BaseDistribution) -> Value:
    """Return a knob's value, or the number of the stratum that it lies in."""
    level: Value = value
    if isinstance(distribution, CategoricalDistribution):
        return level
    numeric: Any = distribution
    low, high, step = numeric.low, numeric.high, numeric.step
    if low == high or (step is not None and (high - low) / step < MOST_VALUES - 0.5):
        return level
    if numeric.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return min(int(NUM_STRATA * (value - low) / (high - low)), NUM_STRATA - 1)
