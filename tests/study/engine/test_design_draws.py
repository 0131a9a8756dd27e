"""Candidates of a design: levels of what is drawn, and what a network costs."""

from dataclasses import replace

import optuna
import pytest
from small_studies import DATA, QUICK, one_knob

from diffusion.networks import build_network, count_macs, count_parameters
from diffusion.recipe import CompressionConfig, DataConfig, Recipe
from study.engine.design_draws import NUM_STRATA, candidates, network_cost

RECIPE = QUICK.recipe(QUICK.covering[0], DATA)


def test_levels_are_values_of_few_and_strata_of_many() -> None:
    def suggest(trial: optuna.Trial, data: DataConfig) -> Recipe:
        trial.suggest_float("ratio", 0.1, 0.7, step=0.1)
        trial.suggest_int("width", 1, 100)
        trial.suggest_float("rate", 1e-4, 1.0, log=True)
        return one_knob(trial, data)

    space = replace(QUICK, suggest=suggest)
    drawn = list(candidates(space, DATA, range(100), {"backbone.groups": 1}))
    assert {c.recipe.network.groups for c in drawn} == {1}
    levels: dict[str, set[object]] = {}
    for name, level in (pair for c in drawn for pair in c.levels):
        levels.setdefault(name, set()).add(level)
    assert len(levels["ratio"]) == 7
    assert levels["width"] == levels["rate"] == set(range(NUM_STRATA))
    for candidate in drawn:  # in the logarithm
        low = 10.0 ** (dict(candidate.levels)["rate"] - 4)
        assert low <= candidate.knobs["rate"] <= 10 * low


@pytest.mark.parametrize("row", [1, 14])
def test_a_network_costs_what_its_layers_do(row: int) -> None:
    recipe = QUICK.recipe(QUICK.covering[row], DATA)
    network = build_network(recipe.network, DATA)
    cost = network_cost(recipe.network, DATA)
    assert cost.parameters == count_parameters(network)[0]
    assert cost.macs == pytest.approx(count_macs(network, DATA), rel=0.1), "but for attention"
    assert cost.macs <= count_macs(network, DATA)
    assert cost.train_macs(recipe) == 3 * cost.macs * recipe.training.train_images


def test_a_size_falls_with_bits_steps_and_pruning() -> None:
    cost = network_cost(RECIPE.network, DATA)
    ways = [
        CompressionConfig(),
        CompressionConfig(quantization="linear4"),
        CompressionConfig(quantization="weights8"),
        CompressionConfig("l1", 0.5, quantization="weights8"),
        CompressionConfig(quantization="uniform", quantization_step=0.7),
        CompressionConfig(quantization="uniform", quantization_step=3.0),
    ]
    sizes = [cost.size_bytes(replace(RECIPE, compression=way)) for way in ways]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 2 * cost.parameters, "16 bits each"
    assert sizes[-1] > 0
