"""Rounding that looks at the error it leaves: on the grid, and with less harm than the nearest."""

import copy
from dataclasses import replace

import pytest
import small_networks
import torch
from torch import nn

from diffusion.compress.allotment import allot_steps
from diffusion.compress.calibration import Calibration
from diffusion.compress.rounding import round_with_errors
from diffusion.compress.uniform import covered_names, relative_steps, round_weights
from diffusion.errors import InvalidRecipe
from diffusion.networks import build_network
from diffusion.recipe import CompressionConfig, Recipe, SamplingConfig, TrainingConfig

UNIFORM = CompressionConfig(quantization="uniform", quantization_step=1.0)


def recipe_of(architecture, **fields):
    return Recipe(
        small_networks.DIGITS,
        small_networks.config(architecture, **fields),
        TrainingConfig(train_images=64),
        compression=UNIFORM,
        sampling=SamplingConfig(),
    )


def network_of(recipe):
    return small_networks.perturb(build_network(recipe.network, recipe.data, seed=0))


@pytest.fixture(scope="module")
def digits():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (64, 1, 28, 28), dtype=torch.uint8, generator=generator)
    return images, torch.arange(64) % 10


RECIPES = {
    "ncsn": recipe_of("ncsn"),
    "ncsn in groups": recipe_of("ncsn", groups=2),
    "mini_ddpm": recipe_of("mini_ddpm", patch_size=2),
    "ddpm": recipe_of("ddpm"),
}
ALL = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)


@ALL
def test_every_covered_weight_is_a_multiple_of_its_step_and_nothing_else_moves(recipe, digits):
    network = network_of(recipe)
    before = copy.deepcopy(network.state_dict())
    steps = relative_steps(network, 1.0)
    round_with_errors(network, recipe, steps, *digits)
    assert set(steps) == set(covered_names(network))
    for name, value in network.state_dict().items():
        if name in steps:
            multiples = value / steps[name]
            assert torch.equal(multiples, multiples.round())
        else:
            assert torch.equal(value, before[name])


@ALL
def test_the_denoiser_drifts_less_than_with_the_nearest_multiples(recipe, digits):
    network = network_of(recipe)
    nearest, compensated = copy.deepcopy(network), copy.deepcopy(network)
    steps = relative_steps(network, 1.0)
    round_weights(nearest, steps)
    round_with_errors(compensated, recipe, steps, *digits)
    # Other noise than the rounding saw.
    others = Calibration.of(recipe, network, *digits, num_images=64, seed=1)
    original = others.denoise(network)
    assert others.drift(compensated, original) < 0.9 * others.drift(nearest, original)


def test_pruned_weights_stay_zero(digits):
    recipe = RECIPES["mini_ddpm"]
    network = network_of(recipe)
    weight = network.get_parameter("stem.weight")
    with torch.no_grad():
        weight[::2] = 0
    round_with_errors(network, recipe, relative_steps(network, 0.1), *digits)
    assert not weight[::2].any()
    assert weight[1::2].any()


def test_a_step_of_next_to_nothing_changes_next_to_nothing(digits):
    recipe = RECIPES["ncsn"]
    network = network_of(recipe)
    before = copy.deepcopy(network.state_dict())
    steps = relative_steps(network, 1e-4)
    round_with_errors(network, recipe, steps, *digits)
    for name, step in steps.items():
        # Half a step, and what was moved on from the weights before it.
        assert (network.get_parameter(name) - before[name]).abs().max() <= 30 * step


def test_a_layer_that_only_ever_sees_zeros_is_rounded_to_the_nearest(digits):
    recipe = RECIPES["mini_ddpm"]
    network = network_of(recipe)
    for part in ("weight", "bias"):
        nn.init.zeros_(network.get_parameter(f"norm.{part}"))
    nearest = copy.deepcopy(network)
    steps = relative_steps(network, 1.0)
    round_weights(nearest, steps)
    round_with_errors(network, recipe, steps, *digits)
    assert torch.equal(network.out.weight, nearest.out.weight)


def test_equal_calls_give_equal_weights(digits):
    recipe = RECIPES["ncsn in groups"]
    networks = [network_of(recipe) for _ in range(2)]
    for network in networks:
        steps = allot_steps(network, recipe, *digits)
        round_with_errors(network, recipe, steps, *digits)
    first, second = (network.state_dict() for network in networks)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_other_formulations_are_calibrated_too(digits):
    for formulation in ("score_matching", "noise_prediction"):
        training = TrainingConfig(train_images=64, formulation=formulation)
        recipe = replace(RECIPES["ncsn"], training=training)
        network = network_of(recipe)
        round_with_errors(network, recipe, relative_steps(network, 0.5), *digits)
        assert all(value.isfinite().all() for value in network.state_dict().values())


def test_steps_that_leave_no_weights_are_refused(digits):
    recipe = replace(RECIPES["mini_ddpm"], compression=replace(UNIFORM, quantization_step=16.0))
    network = network_of(recipe)
    message = r"compression.quantization_step is 16, which rounds all weights to 0; allowed: a sm"
    with pytest.raises(InvalidRecipe, match=message):
        round_with_errors(network, recipe, dict.fromkeys(covered_names(network), 1024.0), *digits)
