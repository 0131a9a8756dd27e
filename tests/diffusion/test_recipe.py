"""Recipes: the parts, fields and changes that they refuse."""

import dataclasses
from dataclasses import replace

import pytest
from example_recipe import RECIPE, change

from diffusion.config import choices
from diffusion.errors import InfeasibleRecipe, InvalidRecipe
from diffusion.networks import build_network
from diffusion.recipe import CompressionConfig, Recipe, Track


def test_filters_are_pruned_and_models_finetuned_without_other_pruning():
    config = CompressionConfig(filter_ratio=0.1, finetune_images=1_000)
    assert (config.prune_method, config.prune_ratio) == ("none", 0.0)
    assert replace(RECIPE, compression=config).backbone_key == RECIPE.backbone_key


def test_exponential_track_needs_a_decay():
    chosen = change(RECIPE, "ema", "track", "exponential")
    assert chosen.training.ema_decay > 0
    message = r"ema\.track is 'exponential' with training\.ema_decay 0; allowed: a decay above 0"
    with pytest.raises(InvalidRecipe, match=message):
        change(chosen, "training", "ema_decay", 0.0)
    for track in choices(Track)[:-1]:
        recipe = change(change(chosen, "ema", "track", track), "training", "ema_decay", 0.0)
        assert recipe.ema.track == track != "exponential"


@pytest.mark.parametrize("guidance", [0.0, 0.5, 2.0])
def test_unconditional_network_has_no_guidance(guidance):
    assert change(RECIPE, "sampling", "guidance", guidance).sampling.guidance == guidance
    unconditional = change(RECIPE, "network", "conditional", False)
    message = rf"sampling\.guidance is {guidance:g} for a network without labels; allowed: 1"
    with pytest.raises(InvalidRecipe, match=message):
        change(unconditional, "sampling", "guidance", guidance)


@pytest.mark.parametrize("part", [f.name for f in dataclasses.fields(Recipe)])
def test_part_of_another_type_is_refused(part):
    with pytest.raises(InvalidRecipe, match=rf"recipe\.{part} is 3; allowed: a \w+Config"):
        replace(RECIPE, **{part: 3})


@pytest.mark.parametrize("part", [None, *(f.name for f in dataclasses.fields(Recipe))])
def test_unknown_field_is_refused(part):
    values = RECIPE.to_dict()
    (values[part] if part else values)["colour"] = "blue"
    with pytest.raises(InvalidRecipe, match=r"has no field \['colour'\]; allowed: \['") as error:
        Recipe.from_dict(values)
    fields = dataclasses.fields(getattr(RECIPE, part) if part else RECIPE)
    assert all(repr(f.name) in str(error.value) for f in fields)


@pytest.mark.parametrize(("part", "name"), [("data", "name"), ("network", "widths")])
def test_missing_field_is_refused_by_name(part, name):
    values = RECIPE.to_dict()
    del values[part][name]
    with pytest.raises(InvalidRecipe, match=f"{type(getattr(RECIPE, part)).__name__}.*'{name}'"):
        Recipe.from_dict(values)


@pytest.mark.parametrize("value", [None, [], "ncsn", 3])
def test_part_that_is_no_object_is_refused(value):
    with pytest.raises(InvalidRecipe, match=r"NetworkConfig is .*; allowed: an object of its"):
        Recipe.from_dict({**RECIPE.to_dict(), "network": value})


@pytest.mark.parametrize("changes", [{"network.colour": 1}, {"network": 1}, {"sampling.steps": 1}])
def test_bad_changes_are_refused(changes):
    with pytest.raises(InvalidRecipe, match=rf"{next(iter(changes))}.*; allowed: "):
        RECIPE.with_changes(changes)


def test_recipe_that_cannot_be_built_is_an_invalid_one():
    # Whoever catches the one, for a proposal to be made anew, catches the other.
    network = replace(RECIPE.network, groups=7)
    with pytest.raises(InvalidRecipe, match=r"network\.groups is 7") as error:
        build_network(network, RECIPE.data)
    assert type(error.value) is InfeasibleRecipe
    assert isinstance(error.value, ValueError)
