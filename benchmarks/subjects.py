"""What is measured: recipes of networks, made-up data, and our own training and drawing."""

from dataclasses import replace

import torch
from torch import Tensor

from diffusion.descent import Descent
from diffusion.ema import EmaTracks
from diffusion.model import DiffusionModel
from diffusion.networks import build_network
from diffusion.recipe import DataConfig, NetworkConfig, Precision, Recipe, TrainingConfig

SEED = 0


def recipe_of(
    network: NetworkConfig,
    batch_size: int,
    precision: Precision = "float32",
    image_size: int = 28,
    channels: int = 1,
) -> Recipe:
    """Return a recipe that draws with the labels alone, in eight steps."""
    data = DataConfig("made up", image_size, channels, 10, "")
    training = TrainingConfig(1, batch_size=batch_size, precision=precision)
    recipe = Recipe(data, network, training)
    return replace(recipe, sampling=replace(recipe.sampling, steps=8, guidance=1.0))


def made_up_images(recipe: Recipe, count: int = 5_000) -> tuple[Tensor, Tensor]:
    """Return images and labels of a recipe's form; what they show makes no difference."""
    data, generator = recipe.data, torch.Generator().manual_seed(SEED)
    shape = (count, data.channels, data.image_size, data.image_size)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    return images, torch.arange(count) % data.num_classes


class OurTraining:
    """The training of a recipe's network as a trial does it, with its averages."""

    def __init__(self, recipe: Recipe, images: Tensor, labels: Tensor) -> None:
        self._recipe, network = recipe, build_network(recipe.network, recipe.data)
        self._descent = Descent(network, recipe, recipe.training, images, labels)
        self._averages = EmaTracks(network)

    def step(self) -> None:
        """Take a step."""
        self._descent.advance()
        self._averages.update(self._descent.images_seen, self._descent.batch_size)

    def averaged(self, track: str) -> DiffusionModel:
        """Return the model of an average of the weights so far."""
        network = build_network(self._recipe.network, self._recipe.data)
        network.load_state_dict(self._averages.tracks[track], strict=False)
        return DiffusionModel(self._recipe, network)


def our_model(recipe: Recipe) -> DiffusionModel:
    """Return a model of a recipe, untrained."""
    return DiffusionModel(recipe, build_network(recipe.network, recipe.data))
