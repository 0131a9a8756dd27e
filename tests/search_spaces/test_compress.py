"""The compress space: every compression of stored backbones, and no training of its own."""

from dataclasses import replace
from typing import Any

import optuna
import pytest

from diffusion.config import choices
from diffusion.recipe import DataConfig, NetworkConfig, Quantization, Track, TrainingConfig
from search_spaces import load_space
from search_spaces.space import SpaceOptions
from search_spaces.stored import StoredBackbone

DATA = DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef")
USUAL: tuple[Track, ...] = ("none", "short", "mid", "long")


def stored(
    conditional: bool = True, tracks: tuple[Track, ...] = USUAL, images: int = 640
) -> StoredBackbone:
    """Return a stored backbone under its true key."""
    network = NetworkConfig("mini_ddpm", (8, 16), patch_size=2, conditional=conditional)
    training = TrainingConfig(train_images=images, ema_decay=0.995)
    found = StoredBackbone("0" * 16, network, training, tracks)
    key = found.recipes(DATA)[0].backbone_key
    return StoredBackbone(key, found.network, found.training, tracks)


WITH_LABELS, WITHOUT = stored(), stored(conditional=False, tracks=("none", "exponential"))
SPACE = load_space("compress", SpaceOptions(backbones=(WITH_LABELS, WITHOUT)))


def draws(count: int) -> list[optuna.Trial]:
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
    return [study.ask() for _ in range(count)]


def test_every_draw_is_of_a_stored_training_and_its_own_tracks() -> None:
    recipes = [SPACE.suggest(trial, DATA) for trial in draws(200)]
    for recipe in recipes:
        backbone = WITH_LABELS if recipe.network.conditional else WITHOUT
        assert recipe.backbone_key == backbone.key
        assert recipe.training == backbone.training
        assert recipe.ema.track in backbone.tracks
        assert recipe.network.conditional or recipe.sampling.guidance == 1
    assert {recipe.backbone_key for recipe in recipes} == {WITH_LABELS.key, WITHOUT.key}
    assert {r.compression.quantization for r in recipes} == set(choices(Quantization))
    assert len({recipe.sampling.steps for recipe in recipes}) > 1


def test_its_rows_build_are_distinct_and_leave_no_knob_to_chance() -> None:
    keys = {SPACE.recipe(row, DATA).key for row in SPACE.covering}
    assert len(keys) == len(SPACE.covering)
    for row in SPACE.covering:
        trial: Any = optuna.trial.FixedTrial(dict(row))
        SPACE.suggest(trial, DATA)
        assert trial.params == row
    assert SPACE.trials > len(SPACE.covering)


def test_a_dense_model_and_a_dense_cool_down_of_each_backbone_are_tried() -> None:
    plain = [SPACE.recipe(row, DATA) for row in SPACE.covering]
    for key in (WITH_LABELS.key, WITHOUT.key):
        dense = [
            r.compression.finetune_images > 0
            for r in plain
            if r.backbone_key == key and r.compression.quantization == "none"
        ]
        assert sorted(dense) == [False, True]


@pytest.mark.parametrize("option", ["precision", "drawing_precision"])
def test_another_precision_is_of_the_drawing_alone(option: str) -> None:
    options = SpaceOptions(backbones=(WITH_LABELS, WITHOUT))
    space = load_space("compress", replace(options, **{option: "bf16"}))  # type: ignore[arg-type]
    for row in SPACE.covering:
        plain, recipe = SPACE.recipe(row, DATA), space.recipe(row, DATA)
        assert recipe == plain.with_changes({"sampling.precision": "bf16"})
        assert recipe.cool_down_key == plain.cool_down_key


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("compress", SpaceOptions(), "has no backbones; allowed: a search with --store"),
        ("compress", SpaceOptions(backbones=(WITHOUT,), rows=("base",)), "no named rows"),
        ("quick", SpaceOptions(backbones=(WITHOUT,)), "space 'quick' trains its backbones"),
    ],
)
def test_options_that_do_not_fit_are_refused(name: str, options: SpaceOptions, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        load_space(name, options)


@pytest.mark.parametrize(
    ("key", "tracks", "line"),
    [
        ("0" * 15, USUAL, "16 hexadecimal digits"),
        ("g" * 16, USUAL, "16 hexadecimal digits"),
        ("0" * 16, (), "one or more of"),
        ("0" * 16, ("mid", "short"), "in this order"),
    ],
)
def test_what_is_no_stored_backbone_is_refused(
    key: str, tracks: tuple[Track, ...], line: str
) -> None:
    with pytest.raises(ValueError, match=line):
        StoredBackbone(key, WITHOUT.network, WITHOUT.training, tracks)
