"""The keys of recipes: what they depend on and what not, as no field of a recipe can change."""

import dataclasses
import pickle
from dataclasses import replace

import pytest
from example_recipe import RECIPE, change

from diffusion import recipe as recipe_module
from diffusion.config import choices
from diffusion.recipe import (
    ADDED_FIELDS,
    FOLLOWING_FIELDS,
    Architecture,
    CompressionConfig,
    NetworkConfig,
    Recipe,
)

DDPM_RECIPE = replace(RECIPE, network=NetworkConfig(architecture="ddpm", widths=(8,)))
UNIFORM = CompressionConfig(quantization="uniform", quantization_step=1.0)
UNIFORM_RECIPE = replace(RECIPE, compression=UNIFORM)

# Another valid value for each field, beside those of RECIPE or, for what the DDPM or uniform
# rounding alone has, DDPM_RECIPE or UNIFORM_RECIPE.
BACKBONE_CHANGES = {
    "data": {
        "name": "mnist",
        "image_size": 32,
        "channels": 3,
        "num_classes": 9,
        "fingerprint": "fedcba9876543210",
    },
    "network": {
        "architecture": "ncsn",
        "widths": (8, 16, 32, 65),
        "groups": 2,
        "grouped_layers": "bottleneck",
        "patch_size": 2,
        "embedding_scale": 1.0,
        "conditional": False,
        "conditioning_width": 32,
    },
    "training": {
        "formulation": "score_matching",
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "adam_beta2": 0.99,
        "warmup_images": 0,
        "batch_size": 17,
        "precision": "bf16",
        "log_sigma_mean": -1.2,
        "log_sigma_std": 1.0,
        "standardize": True,
        "beta_schedule": "cosine",
        "label_dropout": 0.0,
        "label_dropout_end_images": 1_000,
        "ema_decay": 0.9,
        "ema_copy_steps": 0,
        "quantization": "linear8",
        "seed": 1,
    },
}
OTHER_CHANGES = {
    "training": {"train_images": 1_001},
    "ema": {"track": "none"},
    "compression": {
        "prune_method": "random",
        "prune_ratio": 0.4,
        "prune_region": "middle",
        "prune_scope": "global",
        "prune_profile": "central",
        "prune_seed": 1,
        "filter_ratio": 0.1,
        "finetune_images": 1_000,
        "finetune_learning_rate": 1e-5,
        "finetune_batch_size": 64,
        "finetune_teacher": True,
        "quantization_step": 0.5,
        "quantization": "weights8",
    },
    "sampling": {
        "sampler": "euler_maruyama",
        "steps": 17,
        "schedule": "uniform",
        "guidance": 2.0,
        "guidance_sigma_min": 0.3,
        "guidance_sigma_max": 5.0,
        "eta": 1.0,
        "corrector_snr": 0.2,
        "tolerance": 1e-3,
        "precision": "bf16",
        "seed": 1,
    },
}


def rows(changes):
    return [(part, name, value) for part in changes for name, value in changes[part].items()]


def recipe_with(part, name):
    """Return the recipe whose field the tables change."""
    others = {"grouped_layers": DDPM_RECIPE, "quantization_step": UNIFORM_RECIPE}
    return others.get(name, RECIPE)


def test_tables_above_change_every_field():
    listed = {(part, name) for part, name, _ in rows(BACKBONE_CHANGES) + rows(OTHER_CHANGES)}
    fields = {
        (part.name, f.name)
        for part in dataclasses.fields(Recipe)
        for f in dataclasses.fields(getattr(RECIPE, part.name))
    }
    assert listed | {("data", name) for name in FOLLOWING_FIELDS} == fields
    for part, name, value in rows(BACKBONE_CHANGES) + rows(OTHER_CHANGES):
        assert getattr(getattr(recipe_with(part, name), part), name) != value
    assert set(choices(Architecture)) == {"ddpm", "mini_ddpm", "ncsn"}


def test_keys_are_those_of_versions_without_the_fields_that_were_added():
    assert RECIPE.key == "6778d6063d202d70"
    assert RECIPE.backbone_key == "8459fee12d7f8ed5"


def test_keys_do_not_depend_on_what_follows_from_the_images():
    data = replace(RECIPE.data, pixel_mean=-0.7, pixel_std=0.6)
    assert replace(RECIPE, data=data).key == RECIPE.key


def test_added_fields_hold_what_recipes_without_them_mean():
    defaults = {
        f"{part.name}.{f.name}": f.default
        for part in dataclasses.fields(Recipe)
        for f in dataclasses.fields(getattr(UNIFORM_RECIPE, part.name))
    }
    assert {name: defaults[name] for name in ADDED_FIELDS} == ADDED_FIELDS


@pytest.mark.parametrize(("part", "name", "value"), rows(BACKBONE_CHANGES))
def test_backbone_key_changes_with_what_training_depends_on(part, name, value):
    recipe = recipe_with(part, name)
    changed = change(recipe, part, name, value)
    assert changed.backbone_key != recipe.backbone_key
    assert changed.key != recipe.key


@pytest.mark.parametrize(("part", "name", "value"), rows(OTHER_CHANGES))
def test_backbone_key_ignores_the_rest_but_the_key_does_not(part, name, value):
    changed = change(recipe_with(part, name), part, name, value)
    assert changed.backbone_key == recipe_with(part, name).backbone_key
    assert changed.key != recipe_with(part, name).key


@pytest.mark.parametrize(("part", "name", "value"), rows(BACKBONE_CHANGES) + rows(OTHER_CHANGES))
def test_cool_down_key_changes_with_all_but_the_sampling(part, name, value):
    recipe = recipe_with(part, name)
    changed = change(recipe, part, name, value)
    same = part == "sampling" or name == "prune_seed"  # which l1 pruning does not ask for
    assert (changed.cool_down_key == recipe.cool_down_key) == same


def test_cool_down_key_heeds_the_seed_of_random_pruning():
    random = replace(RECIPE.compression, prune_method="random")
    recipes = [replace(RECIPE, compression=replace(random, prune_seed=seed)) for seed in (0, 1)]
    assert recipes[0].cool_down_key != recipes[1].cool_down_key
    assert recipes[0].cool_down_key not in (recipes[0].key, recipes[0].backbone_key)


def test_all_changes_give_different_keys():
    changes = rows(BACKBONE_CHANGES) + rows(OTHER_CHANGES)
    keys = {change(recipe_with(part, name), part, name, x).key for part, name, x in changes}
    assert len(keys | {RECIPE.key, DDPM_RECIPE.key}) == len(changes) + 2


def test_keys_are_hashed_once_an_object(monkeypatch):
    hashed = []
    original = recipe_module._hash
    monkeypatch.setattr(recipe_module, "_hash", lambda x: hashed.append(x) or original(x))
    recipe = replace(RECIPE)
    keys = {(recipe.key, recipe.backbone_key) for _ in range(3)}
    assert keys == {(RECIPE.key, RECIPE.backbone_key)}
    assert len(hashed) == 2
    assert recipe == replace(recipe), "what was hashed is no field"
    assert recipe.to_dict() == replace(recipe).to_dict()


def test_copies_of_a_recipe_have_keys_of_their_own():
    recipe = replace(RECIPE)
    before = (recipe.key, recipe.backbone_key)
    for changed in (
        replace(recipe, network=replace(recipe.network, groups=2)),
        recipe.with_changes({"network.groups": 2}),
    ):
        again = Recipe.from_dict(changed.to_dict())
        assert (changed.key, changed.backbone_key) == (again.key, again.backbone_key)
        assert changed.key != before[0]
        assert changed.backbone_key != before[1]
    assert (recipe.key, recipe.backbone_key) == before
    twin = pickle.loads(pickle.dumps(recipe))
    assert (twin, twin.key, twin.backbone_key) == (recipe, *before)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("training", "log_sigma_mean"),
        ("training", "label_dropout"),
        ("training", "ema_decay"),
        ("compression", "filter_ratio"),
        ("sampling", "guidance"),
        ("sampling", "eta"),
    ],
)
def test_equal_recipes_have_equal_keys(part, name):
    plus, minus = (change(RECIPE, part, name, zero) for zero in (0.0, -0.0))
    assert plus == minus
    assert plus.key == minus.key


@pytest.mark.parametrize(("part", "name", "value"), rows(BACKBONE_CHANGES) + rows(OTHER_CHANGES))
def test_recipe_is_frozen(part, name, value):
    recipe = recipe_with(part, name)
    before = getattr(recipe, part)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(before, name, value)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(recipe, part, replace(before, **{name: value}))
    assert getattr(recipe, part) is before
    assert hash(recipe) == hash(replace(recipe))
