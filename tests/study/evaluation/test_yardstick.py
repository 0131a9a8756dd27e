"""The yardstick: drift is of guided outputs where a network knows labels, else of plain ones."""

from dataclasses import replace

import pytest
import small_networks
import torch
from noise_data import noise_dataset
from torch import Tensor, nn

from diffusion.networks import build_network
from diffusion.recipe import NetworkConfig, Recipe, SamplingConfig, TrainingConfig
from study.evaluation.yardstick import LEAST_SIGMA, NUM_IMAGES, Yardstick

DATASET = noise_dataset()
LABELLED = Recipe(
    DATASET.config(),
    NetworkConfig("mini_ddpm", (8, 16), patch_size=2),
    TrainingConfig(train_images=64),
)
UNLABELLED = replace(
    LABELLED,
    network=replace(LABELLED.network, conditional=False),
    sampling=SamplingConfig(guidance=1.0),
)


def network_of(recipe: Recipe, seed: int) -> nn.Module:
    network: nn.Module = small_networks.perturb(build_network(recipe.network, recipe.data), seed)
    return network


@pytest.mark.parametrize("recipe", [LABELLED, UNLABELLED], ids=["labels", "no labels"])
def test_drift_is_the_weighted_change_of_what_a_sampler_would_see(recipe: Recipe) -> None:
    original, other = network_of(recipe, 1), network_of(recipe, 2)
    yardstick = Yardstick.of([recipe], lambda track: original, DATASET, torch.device("cpu"))
    batch = yardstick.batch
    hidden = torch.full((NUM_IMAGES,), recipe.data.num_classes)

    def seen(network: nn.Module) -> Tensor:
        labelled = batch.denoise(network)
        if recipe is UNLABELLED:
            return labelled
        return labelled + (labelled - batch.denoise(network, hidden))  # guided with 2

    change = batch.weight * (seen(other) - seen(original)).square()
    drift, loss = yardstick.measure(other)
    assert drift == pytest.approx(float(change.mean()), rel=1e-4)
    assert loss == batch.loss(batch.denoise(other))
    assert yardstick.measure(original)[0] == 0


def test_images_are_noisy_and_keep_their_labels() -> None:
    original = network_of(LABELLED, 1)
    yardstick = Yardstick.of([LABELLED], lambda track: original, DATASET, torch.device("cpu"))
    assert len(yardstick.batch.sigma) == NUM_IMAGES
    assert float(yardstick.batch.sigma.min()) == pytest.approx(LEAST_SIGMA)
    assert int(yardstick.batch.labels.max()) < LABELLED.data.num_classes
