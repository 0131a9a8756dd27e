"""Recipes: what they refuse, their way through JSON, and what their two keys depend on."""

import dataclasses
import json
import pickle
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion import recipe as recipe_module
from diffusion.config import choices
from diffusion.errors import InfeasibleRecipe, InvalidRecipe
from diffusion.networks import build_network
from diffusion.recipe import (
    ADDED_FIELDS,
    FOLLOWING_FIELDS,
    Architecture,
    BetaSchedule,
    CompressionConfig,
    DataConfig,
    DrawingPrecision,
    EmaConfig,
    Formulation,
    GroupedLayers,
    NetworkConfig,
    Optimizer,
    Precision,
    PruneProfile,
    PruneRegion,
    Quantization,
    Recipe,
    SamplerName,
    SamplingConfig,
    Schedule,
    Track,
    TrainingConfig,
    TrainingQuantization,
)

RECIPE = Recipe(
    data=DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef"),
    network=NetworkConfig(architecture="mini_ddpm", widths=(8, 16, 32, 64)),
    training=TrainingConfig(train_images=1_000, ema_decay=0.995),
    compression=CompressionConfig(prune_method="l1", prune_ratio=0.5),
    sampling=SamplingConfig(guidance=1.0),
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


def change(recipe, part, name, value):
    return replace(recipe, **{part: replace(getattr(recipe, part), **{name: value})})


def seeds():
    return st.integers(0, 2**63 - 1)


def positive_floats(most):
    return st.floats(1e-300, most)


def widths(least, most):
    return st.lists(st.integers(1, 512), min_size=least, max_size=most).map(tuple)


def networks():
    shared = {
        "groups": st.one_of(st.just("max"), st.integers(1, 64)),
        "embedding_scale": positive_floats(10_000),
        "conditional": st.booleans(),
    }
    return st.one_of(
        st.builds(NetworkConfig, architecture=st.just("ncsn"), widths=widths(4, 4), **shared),
        st.builds(
            NetworkConfig,
            architecture=st.just("ddpm"),
            widths=widths(1, 1),
            grouped_layers=st.sampled_from(choices(GroupedLayers)),
            **shared,
        ),
        st.builds(
            NetworkConfig,
            architecture=st.just("mini_ddpm"),
            widths=widths(1, 5),
            patch_size=st.sampled_from([1, 2, 4]),
            **shared,
        ),
    )


def trainings():
    return st.builds(
        TrainingConfig,
        train_images=st.integers(1, 10**12),
        formulation=st.sampled_from(choices(Formulation)),
        optimizer=st.sampled_from(choices(Optimizer)),
        learning_rate=positive_floats(100),
        warmup_images=st.integers(0, 10**9),
        adam_beta2=st.floats(0, 1, exclude_max=True),
        batch_size=st.integers(1, 65_536),
        precision=st.sampled_from(choices(Precision)),
        log_sigma_mean=st.floats(-20, 20),
        log_sigma_std=positive_floats(20),
        standardize=st.booleans(),
        beta_schedule=st.sampled_from(choices(BetaSchedule)),
        label_dropout=st.floats(0, 1),
        label_dropout_end_images=st.integers(0, 10**12),
        ema_decay=st.floats(0, 1, exclude_max=True),
        ema_copy_steps=st.integers(0, 10**9),
        quantization=st.sampled_from(choices(TrainingQuantization)),
        seed=seeds(),
    )


@st.composite
def compressions(draw):
    shared = {
        "prune_seed": seeds(),
        "filter_ratio": st.floats(0, 1, exclude_max=True),
        "finetune_images": st.integers(0, 10**12),
        "finetune_learning_rate": positive_floats(100),
        "finetune_batch_size": st.integers(1, 65_536),
        "finetune_teacher": st.booleans(),
    }
    codebooks = [name for name in choices(Quantization) if name != "uniform"]
    by_codebook = {"quantization": st.sampled_from(codebooks)}
    by_step = {"quantization": st.just("uniform"), "quantization_step": positive_floats(16)}
    shared |= draw(st.sampled_from([by_codebook, by_step]))
    pruned = {
        "prune_method": st.sampled_from(["random", "l1"]),
        "prune_ratio": st.floats(0, 1, exclude_min=True, exclude_max=True),
        "prune_region": st.sampled_from(choices(PruneRegion)),
    }
    profiles = st.sampled_from(choices(PruneProfile))
    built = st.one_of(
        st.builds(CompressionConfig, **shared),
        st.builds(CompressionConfig, prune_profile=profiles, **pruned, **shared),
        st.builds(CompressionConfig, prune_scope=st.just("global"), **pruned, **shared),
    )
    return draw(built)


def samplings(guidances):
    return st.builds(
        SamplingConfig,
        sampler=st.sampled_from(choices(SamplerName)),
        steps=st.integers(2, 10_000),
        schedule=st.sampled_from(choices(Schedule)),
        guidance=guidances,
        guidance_sigma_min=st.floats(0, 10),
        guidance_sigma_max=st.floats(10, 1_000),
        eta=st.floats(0, 1),
        corrector_snr=positive_floats(10),
        tolerance=st.floats(1e-8, 1, exclude_max=True),
        precision=st.sampled_from(choices(DrawingPrecision)),
        seed=seeds(),
    )


@st.composite
def recipes(draw):
    data = st.builds(
        DataConfig,
        name=st.text(),
        image_size=st.integers(1, 1_024),
        channels=st.sampled_from([1, 3]),
        num_classes=st.integers(1, 10_000),
        fingerprint=st.text(),
        pixel_mean=st.floats(-1, 1),
        pixel_std=positive_floats(1),
    )
    network, training = draw(networks()), draw(trainings())
    guidances = st.floats(0, 100) if network.conditional else st.just(1.0)
    tracks = [x for x in choices(Track) if x != "exponential" or training.ema_decay > 0]
    return Recipe(
        data=draw(data),
        network=network,
        training=training,
        ema=EmaConfig(draw(st.sampled_from(tracks))),
        compression=draw(compressions()),
        sampling=draw(samplings(guidances)),
    )


@given(recipe=recipes())
@settings(max_examples=100, deadline=None)
def test_recipe_survives_json(recipe):
    again = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert again == recipe
    assert again.key == recipe.key
    assert again.backbone_key == recipe.backbone_key


def test_json_that_writes_a_float_as_an_integer_is_the_same_recipe():
    values = RECIPE.to_dict()
    values["sampling"]["guidance"] = 1
    again = Recipe.from_dict(values)
    assert again.key == RECIPE.key
    assert type(again.sampling.guidance) is float


def test_missing_parts_and_fields_take_their_defaults():
    values = RECIPE.to_dict()
    del values["ema"], values["compression"], values["sampling"], values["training"]["seed"]
    expected = replace(RECIPE, compression=CompressionConfig(), sampling=SamplingConfig())
    assert Recipe.from_dict(values) == expected


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
