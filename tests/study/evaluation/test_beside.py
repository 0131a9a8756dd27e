"""What is screened beside a trial, and what becomes of it where memory runs out."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from noise_data import noise_dataset

from diffusion.data import ImageDataset
from diffusion.recipe import (
    CompressionConfig,
    EmaConfig,
    NetworkConfig,
    Recipe,
    Track,
    TrainingConfig,
)
from study.evaluation import beside
from study.evaluation.beside import screen_beside
from study.evaluation.context import RunContext, TrialContext
from study.run.backbones import BackboneStore
from study.run.key_folder import SnapshotUnavailable

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset() -> ImageDataset:
    return noise_dataset()


@pytest.fixture(scope="module")
def recipe(dataset: ImageDataset) -> Recipe:
    network = NetworkConfig("mini_ddpm", (8, 16), patch_size=2)
    return Recipe(dataset.config(), network, TrainingConfig(train_images=64))


@pytest.fixture(scope="module")
def store(dataset: ImageDataset, recipe: Recipe, tmp_path_factory: Any) -> Path:
    folder: Path = tmp_path_factory.mktemp("store")
    BackboneStore(folder).obtain(recipe, dataset, CPU, lambda _: None)
    return folder


def context(store: Path, recipe: Recipe) -> TrialContext:
    rounded = CompressionConfig(quantization="uniform", quantization_step=1.0)
    to_screen = (recipe, replace(recipe, compression=rounded))
    run = RunContext("noise", None, store / "trials", store, 8)
    return TrialContext(run, store / "trials" / "0", to_screen=to_screen)


def test_each_is_found_by_its_key(store: Path, recipe: Recipe, dataset: ImageDataset) -> None:
    trial = context(store, recipe)
    found = screen_beside(recipe, trial, dataset, CPU)
    assert {values["recipe_key"] for values in found} == {other.key for other in trial.to_screen}
    by_key = {values["recipe_key"]: values for values in found}
    dense, rounded = (by_key[other.key] for other in trial.to_screen)
    assert rounded["size_bytes"] < dense["size_bytes"]
    assert rounded["drift"] != dense["drift"]


def test_drift_is_from_the_same_network_whatever_is_screened_with_it(
    store: Path, recipe: Recipe, dataset: ImageDataset
) -> None:
    trial = context(store, recipe)
    both = {v["recipe_key"]: v["drift"] for v in screen_beside(recipe, trial, dataset, CPU)}
    tracks: tuple[Track, ...] = ("none", "long")
    for track in tracks:
        other = replace(recipe, ema=EmaConfig(track))
        (alone,) = screen_beside(recipe, replace(trial, to_screen=(other,)), dataset, CPU)
        wide = replace(trial, to_screen=(*trial.to_screen, other))
        found = {v["recipe_key"]: v["drift"] for v in screen_beside(recipe, wide, dataset, CPU)}
        assert found == pytest.approx({**both, other.key: alone["drift"]})


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (MemoryError(), "memory ran out"),
        (torch.linalg.LinAlgError("not positive"), "_LinAlgError: not positive"),
    ],
)
def test_where_it_breaks_what_was_found_is_kept_and_said(
    store: Path,
    recipe: Recipe,
    dataset: ImageDataset,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    why: str,
) -> None:
    real = beside.screen

    def short(*arguments: Any) -> Iterator[Any]:
        yield next(real(*arguments))
        raise error

    monkeypatch.setattr(beside, "screen", short)
    with caplog.at_level(logging.WARNING):
        assert len(screen_beside(recipe, context(store, recipe), dataset, CPU)) == 1
    assert f"1 of 2 compressions screened, then: {why}" in caplog.text


def test_where_nothing_is_trained_a_missing_backbone_is_the_study_s(
    store: Path, recipe: Recipe, dataset: ImageDataset, tmp_path: Path
) -> None:
    trial = context(tmp_path, recipe)
    trial = replace(trial, run=replace(trial.run, trains=False))
    with pytest.raises(SnapshotUnavailable, match=recipe.backbone_key):
        screen_beside(recipe, trial, dataset, CPU)
