"""Recipes on their way through JSON: any one comes back the same, with the same keys."""

import json
from dataclasses import replace

from example_recipe import RECIPE
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion.config import choices
from diffusion.recipe import (
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
