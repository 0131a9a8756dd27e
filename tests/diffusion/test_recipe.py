"""Recipes: what they refuse, their way through JSON, and what their two keys depend on."""

import dataclasses
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion.config import choices
from diffusion.recipe import (
    Architecture,
    CompressionConfig,
    DataConfig,
    EmaConfig,
    Formulation,
    NetworkConfig,
    Optimizer,
    Precision,
    PruneRegion,
    Quantization,
    Recipe,
    SamplerName,
    SamplingConfig,
    Track,
    TrainingConfig,
)

RECIPE = Recipe(
    data=DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef"),
    network=NetworkConfig(architecture="mini_ddpm", widths=(8, 16, 32, 64)),
    training=TrainingConfig(train_images=1_000),
    compression=CompressionConfig(prune_method="l1", prune_ratio=0.5),
)

# Another valid value for each field, beside those of RECIPE.
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
        "patch_size": 2,
        "embedding_scale": 1.0,
        "conditional": False,
    },
    "training": {
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "warmup_images": 0,
        "batch_size": 17,
        "precision": "bf16",
        "log_sigma_mean": -1.2,
        "log_sigma_std": 1.0,
        "label_dropout": 0.0,
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
        "prune_seed": 1,
        "quantization": "weights8",
    },
    "sampling": {"sampler": "euler_maruyama", "steps": 17, "guidance": 1.0, "seed": 1},
}


def rows(changes):
    return [(part, name, value) for part in changes for name, value in changes[part].items()]


def change(recipe, part, name, value):
    return replace(recipe, **{part: replace(getattr(recipe, part), **{name: value})})


def seeds():
    return st.integers(0, 2**63 - 1)


def positive_floats():
    return st.floats(1e-300, 1e300)


def widths(least, most):
    return st.lists(st.integers(1, 512), min_size=least, max_size=most).map(tuple)


def networks():
    shared = {
        "groups": st.one_of(st.just("max"), st.integers(1, 64)),
        "embedding_scale": positive_floats(),
        "conditional": st.booleans(),
    }
    return st.one_of(
        st.builds(NetworkConfig, architecture=st.just("ncsn"), widths=widths(4, 4), **shared),
        st.builds(
            NetworkConfig,
            architecture=st.just("mini_ddpm"),
            widths=widths(1, 5),
            patch_size=st.sampled_from([1, 2]),
            **shared,
        ),
    )


def compressions():
    quantizations = st.sampled_from(choices(Quantization))
    return st.one_of(
        st.builds(CompressionConfig, prune_seed=seeds(), quantization=quantizations),
        st.builds(
            CompressionConfig,
            prune_method=st.sampled_from(["random", "l1"]),
            prune_ratio=st.floats(0, 1, exclude_min=True, exclude_max=True),
            prune_region=st.sampled_from(choices(PruneRegion)),
            prune_seed=seeds(),
            quantization=quantizations,
        ),
    )


def recipes():
    return st.builds(
        Recipe,
        data=st.builds(
            DataConfig,
            name=st.text(),
            image_size=st.integers(1, 512),
            channels=st.sampled_from([1, 3]),
            num_classes=st.integers(1, 1_000),
            fingerprint=st.text(),
        ),
        network=networks(),
        training=st.builds(
            TrainingConfig,
            train_images=st.integers(1, 10**12),
            formulation=st.sampled_from(choices(Formulation)),
            optimizer=st.sampled_from(choices(Optimizer)),
            learning_rate=positive_floats(),
            warmup_images=st.integers(0, 10**9),
            batch_size=st.integers(1, 10**6),
            precision=st.sampled_from(choices(Precision)),
            log_sigma_mean=st.floats(allow_nan=False, allow_infinity=False),
            log_sigma_std=positive_floats(),
            label_dropout=st.floats(0, 1),
            seed=seeds(),
        ),
        ema=st.builds(EmaConfig, st.sampled_from(choices(Track))),
        compression=compressions(),
        sampling=st.builds(
            SamplingConfig,
            sampler=st.sampled_from(choices(SamplerName)),
            steps=st.integers(2, 10**6),
            guidance=st.floats(0, 1e300),
            seed=seeds(),
        ),
    )


@given(recipe=recipes())
@settings(max_examples=100, deadline=None)
def test_recipe_survives_json(recipe):
    again = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert again == recipe
    assert again.key == recipe.key
    assert again.backbone_key == recipe.backbone_key


def test_json_that_writes_a_float_as_an_integer_is_the_same_recipe():
    recipe = change(RECIPE, "sampling", "guidance", 1.0)
    values = recipe.to_dict()
    values["sampling"]["guidance"] = 1
    again = Recipe.from_dict(values)
    assert again.key == recipe.key
    assert type(again.sampling.guidance) is float


def test_missing_parts_and_fields_take_their_defaults():
    values = RECIPE.to_dict()
    del values["ema"], values["compression"], values["sampling"], values["training"]["seed"]
    expected = replace(RECIPE, compression=CompressionConfig())
    assert Recipe.from_dict(values) == expected


@pytest.mark.parametrize(
    ("part", "name", "value", "allowed"),
    [
        ("data", "name", 5, "a text"),
        ("data", "image_size", 0, "a positive number of pixels"),
        ("data", "image_size", 28.0, "a whole number"),
        ("data", "image_size", "28", "a whole number"),
        ("data", "image_size", True, "a whole number"),
        ("data", "channels", 2, "1 (grey) or 3 (colour)"),
        ("data", "num_classes", 0, "at least 1"),
        ("data", "num_classes", None, "a whole number"),
        ("data", "fingerprint", None, "a text"),
        ("network", "architecture", "unet", "ncsn, mini_ddpm"),
        ("network", "architecture", ["ncsn"], "ncsn, mini_ddpm"),
        ("network", "widths", (), "one or more positive channel counts"),
        ("network", "widths", (8, 0), "one or more positive channel counts"),
        ("network", "widths", (8, -8), "one or more positive channel counts"),
        ("network", "widths", "8-16", "a list"),
        ("network", "widths", 8, "a list"),
        ("network", "widths", (8, 16.0), "a whole number"),
        ("network", "groups", 0, 'at least 1, or "max"'),
        ("network", "groups", -2, 'at least 1, or "max"'),
        ("network", "groups", 2.0, "max"),
        ("network", "groups", True, "max"),
        ("network", "groups", "min", "max"),
        ("network", "patch_size", 3, "1 or 2"),
        ("network", "embedding_scale", 0.0, "above 0"),
        ("network", "embedding_scale", float("inf"), "a finite number"),
        ("network", "conditional", 1, "true or false"),
        ("training", "train_images", 0, "at least 1"),
        ("training", "train_images", 1e6, "a whole number"),
        ("training", "formulation", "score_matching", "edm"),
        ("training", "optimizer", "sgd", "adam, adamw, adam8bit, adamw8bit"),
        ("training", "learning_rate", 0.0, "above 0"),
        ("training", "learning_rate", -1e-3, "above 0"),
        ("training", "learning_rate", float("nan"), "a finite number"),
        ("training", "learning_rate", float("inf"), "a finite number"),
        ("training", "learning_rate", "2e-3", "a finite number"),
        ("training", "warmup_images", -1, "0 or more"),
        ("training", "batch_size", 0, "at least 1"),
        ("training", "precision", "fp16", "float32, bf16"),
        ("training", "log_sigma_mean", float("-inf"), "a finite number"),
        ("training", "log_sigma_std", 0.0, "above 0"),
        ("training", "label_dropout", -0.1, "from 0 to 1"),
        ("training", "label_dropout", 1.1, "from 0 to 1"),
        ("training", "seed", -1, "from 0 to 2^63 - 1"),
        ("training", "seed", 2**63, "from 0 to 2^63 - 1"),
        ("ema", "track", "longest", "none, short, mid, long"),
        ("ema", "track", None, "none, short, mid, long"),
        ("compression", "prune_method", "l2", "none, random, l1"),
        ("compression", "prune_ratio", 1.0, "from 0 to below 1"),
        ("compression", "prune_ratio", -0.1, "from 0 to below 1"),
        ("compression", "prune_ratio", float("nan"), "a finite number"),
        ("compression", "prune_ratio", False, "a finite number"),
        ("compression", "prune_region", "edges", "all, middle, extremes"),
        ("compression", "prune_seed", -1, "from 0 to 2^63 - 1"),
        ("compression", "quantization", "int8", "none, linear8, linear4, weights8"),
        ("sampling", "sampler", "heun", "dpm_solver_pp_2m, euler_maruyama"),
        ("sampling", "steps", 1, "at least 2"),
        ("sampling", "steps", 16.5, "a whole number"),
        ("sampling", "guidance", -0.5, "0 or more"),
        ("sampling", "guidance", float("nan"), "a finite number"),
        ("sampling", "seed", 2**63, "from 0 to 2^63 - 1"),
    ],
)
def test_bad_field_is_refused_by_name_value_and_what_is_allowed(part, name, value, allowed):
    with pytest.raises(ValueError, match="allowed") as error:
        change(RECIPE, part, name, value)
    message = str(error.value)
    assert message.startswith(f"{part}.{name} is {value!r}; ")
    assert allowed in message.partition("; ")[2]


def test_float_field_refuses_an_integer_that_no_float_holds():
    with pytest.raises(ValueError, match=r"training\.learning_rate is 1000.*; allowed"):
        change(RECIPE, "training", "learning_rate", 10**400)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"widths": (8, 16, 32)}, r"network.widths is \(8, 16, 32\); allowed: four"),
        ({"widths": (8,) * 5}, r"network.widths is \(8, .*; allowed: four channel counts"),
        ({"patch_size": 2}, "network.patch_size is 2; allowed: 1 for ncsn"),
    ],
)
def test_ncsn_refuses_what_only_the_mini_ddpm_takes(fields, message):
    with pytest.raises(ValueError, match=message):
        NetworkConfig(**{"architecture": "ncsn", "widths": (8, 16, 32, 64), **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prune_ratio": 0.5}, "prune_ratio is 0.5 with prune_method 'none'; allowed: 0 with"),
        ({"prune_method": "l1"}, "prune_ratio is 0.0 with prune_method 'l1'; allowed: 0 with"),
        ({"prune_region": "middle"}, "prune_region is 'middle'; allowed: all without pruning"),
    ],
)
def test_pruning_fields_must_agree(fields, message):
    with pytest.raises(ValueError, match=f"compression.{message}"):
        CompressionConfig(**fields)


@pytest.mark.parametrize("part", [f.name for f in dataclasses.fields(Recipe)])
def test_part_of_another_type_is_refused(part):
    with pytest.raises(ValueError, match=rf"recipe\.{part} is 3; allowed: a \w+Config"):
        replace(RECIPE, **{part: 3})


@pytest.mark.parametrize("part", [None, *(f.name for f in dataclasses.fields(Recipe))])
def test_unknown_field_is_refused(part):
    values = RECIPE.to_dict()
    (values[part] if part else values)["colour"] = "blue"
    with pytest.raises(ValueError, match=r"has no field \['colour'\]; allowed: \['") as error:
        Recipe.from_dict(values)
    fields = dataclasses.fields(getattr(RECIPE, part) if part else RECIPE)
    assert all(repr(f.name) in str(error.value) for f in fields)


@pytest.mark.parametrize(("part", "name"), [("data", "name"), ("network", "widths")])
def test_missing_field_is_refused_by_name(part, name):
    values = RECIPE.to_dict()
    del values[part][name]
    with pytest.raises(ValueError, match=f"{type(getattr(RECIPE, part)).__name__}.*'{name}'"):
        Recipe.from_dict(values)


@pytest.mark.parametrize("value", [None, [], "ncsn", 3])
def test_part_that_is_no_object_is_refused(value):
    with pytest.raises(ValueError, match=r"NetworkConfig is .*; allowed: an object of its"):
        Recipe.from_dict({**RECIPE.to_dict(), "network": value})


def test_tables_above_change_every_field():
    listed = {(part, name) for part, name, _ in rows(BACKBONE_CHANGES) + rows(OTHER_CHANGES)}
    fields = {
        (part.name, f.name)
        for part in dataclasses.fields(Recipe)
        for f in dataclasses.fields(getattr(RECIPE, part.name))
    }
    assert choices(Formulation) == ("edm",)  # there is no other one to change it to
    assert listed | {("training", "formulation")} == fields
    assert set(choices(Architecture)) == {"mini_ddpm", "ncsn"}


@pytest.mark.parametrize(("part", "name", "value"), rows(BACKBONE_CHANGES))
def test_backbone_key_changes_with_what_training_depends_on(part, name, value):
    changed = change(RECIPE, part, name, value)
    assert changed.backbone_key != RECIPE.backbone_key
    assert changed.key != RECIPE.key


@pytest.mark.parametrize(("part", "name", "value"), rows(OTHER_CHANGES))
def test_backbone_key_ignores_the_rest_but_the_key_does_not(part, name, value):
    changed = change(RECIPE, part, name, value)
    assert changed.backbone_key == RECIPE.backbone_key
    assert changed.key != RECIPE.key


def test_all_changes_give_different_keys():
    changes = rows(BACKBONE_CHANGES) + rows(OTHER_CHANGES)
    keys = {change(RECIPE, *row).key for row in changes} | {RECIPE.key}
    assert len(keys) == len(changes) + 1


@pytest.mark.parametrize(
    ("part", "name"),
    [("training", "log_sigma_mean"), ("training", "label_dropout"), ("sampling", "guidance")],
)
def test_equal_recipes_have_equal_keys(part, name):
    plus, minus = (change(RECIPE, part, name, zero) for zero in (0.0, -0.0))
    assert plus == minus
    assert plus.key == minus.key


@pytest.mark.parametrize(("part", "name", "value"), rows(BACKBONE_CHANGES) + rows(OTHER_CHANGES))
def test_recipe_is_frozen(part, name, value):
    before = getattr(RECIPE, part)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(before, name, value)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(RECIPE, part, replace(before, **{name: value}))
    assert getattr(RECIPE, part) is before
    assert hash(RECIPE) == hash(replace(RECIPE))
