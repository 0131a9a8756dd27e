"""The share of a GPU that trials take by default, by how large a space's networks are."""

from dataclasses import replace

import optuna

from diffusion.recipe import DataConfig, NetworkConfig, Recipe
from search_spaces import load_space
from study.cli.gpu_share import gpu_share


def test_small_networks_share_a_gpu_and_large_ones_have_it_alone(digit_recipe: Recipe) -> None:
    quick = load_space("quick")
    assert gpu_share(quick, digit_recipe.data) == 0.25

    def large(trial: optuna.Trial, data: DataConfig) -> Recipe:
        return replace(digit_recipe, network=NetworkConfig("mini_ddpm", (128, 256)))

    assert gpu_share(replace(quick, suggest=large), digit_recipe.data) == 1.0


def test_networks_that_cannot_be_built_do_not_count(digit_recipe: Recipe) -> None:
    def odd(trial: optuna.Trial, data: DataConfig) -> Recipe:
        return replace(digit_recipe, network=NetworkConfig("mini_ddpm", (8, 16), groups=3))

    assert gpu_share(replace(load_space("quick"), suggest=odd), digit_recipe.data) == 1.0
