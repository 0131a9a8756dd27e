"""Every space's covering design holds every level of every knob, and only recipes that build."""

from collections import defaultdict
from typing import Any

import optuna
import pytest

from diffusion.networks import build_network, count_parameters
from diffusion.recipe import DataConfig, Recipe
from search_spaces import SPACES, load_space
from search_spaces.space import SearchSpace

DATA = DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef")
ALL_SPACES = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())


def levels(distribution: Any) -> set[Any]:
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return set(distribution.choices)
    steps = round((distribution.high - distribution.low) / distribution.step)
    return {round(distribution.low + i * distribution.step, 6) for i in range(steps + 1)}


def drawn(space: SearchSpace, trials: int) -> list[tuple[optuna.trial.FrozenTrial, Recipe]]:
    """Ask a study for the covering design and then for random draws."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        directions=["minimize"] * 2, sampler=optuna.samplers.RandomSampler(seed=0)
    )
    for row in space.covering:
        study.enqueue_trial(dict(row))
    pairs = []
    for _ in range(trials):
        trial = study.ask()
        recipe = space.suggest(trial, DATA)
        pairs.append((study.trials[trial.number], recipe))
    return pairs


@ALL_SPACES
def test_covering_holds_every_level_of_every_knob(space: SearchSpace) -> None:
    pairs = drawn(space, len(space.covering) + 300)
    possible: dict[str, set[Any]] = defaultdict(set)
    covered: dict[str, set[Any]] = defaultdict(set)
    for number, (trial, _) in enumerate(pairs):
        for name, distribution in trial.distributions.items():
            possible[name] |= levels(distribution)
            if number < len(space.covering):
                value = trial.params[name]
                covered[name].add(round(value, 6) if isinstance(value, float) else value)
    assert covered == possible


@ALL_SPACES
def test_covering_rows_are_complete_and_build(space: SearchSpace) -> None:
    for row, (trial, recipe) in zip(
        space.covering, drawn(space, len(space.covering)), strict=True
    ):
        assert trial.params == pytest.approx(dict(row)), "a knob was left to chance"
        build_network(recipe.network, recipe.data)


@ALL_SPACES
def test_covering_starts_with_distinct_backbones_and_no_recipe_twice(space: SearchSpace) -> None:
    recipes = [recipe for _, recipe in drawn(space, len(space.covering))]
    backbones = [recipe.backbone_key for recipe in recipes]
    count = len(set(backbones))
    assert len(set(backbones[:count])) == count
    assert len({recipe.key for recipe in recipes}) == len(recipes)


def test_quick_networks_stay_under_the_stated_size() -> None:
    space = SPACES["quick"]
    recipes = [recipe for _, recipe in drawn(space, 200)]
    networks = {recipe.network for recipe in recipes}
    sizes = [count_parameters(build_network(network, DATA))[0] for network in networks]
    assert max(sizes) < 1_200_000
    assert {n.architecture for n in networks} == {"ncsn", "mini_ddpm"}
    assert {n.groups for n in networks} == {1, 2, 4}


def test_an_unknown_space_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"space is 'nope'; allowed: quick, mnist"):
        load_space("nope")
