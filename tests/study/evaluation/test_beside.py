"""What is screened beside a trial, and what becomes of it where memory runs out."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from diffusion.data import ImageDataset
from diffusion.errors import DataUnavailable
from diffusion.recipe import CompressionConfig, NetworkConfig, Recipe, TrainingConfig
from study.evaluation import beside
from study.evaluation.beside import screen_beside
from study.evaluation.context import RunContext, TrialContext
from study.run.backbones import BackboneStore

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset() -> ImageDataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (96, 1, 12, 12), dtype=torch.uint8, generator=generator)
    labels = torch.arange(96) % 10
    names = tuple(map(str, range(10)))
    return ImageDataset("noise", names, images[:64], labels[:64], images[64:], labels[64:])


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
    assert min(values["drift"] for values in found) == 0


def test_where_memory_runs_out_what_was_found_is_kept_and_said(
    store: Path,
    recipe: Recipe,
    dataset: ImageDataset,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real = beside.screen

    def short(*arguments: Any) -> Iterator[Any]:
        yield next(real(*arguments))
        raise MemoryError

    monkeypatch.setattr(beside, "screen", short)
    with caplog.at_level(logging.WARNING):
        assert len(screen_beside(recipe, context(store, recipe), dataset, CPU)) == 1
    assert "memory ran out after 1 of 2 screened compressions" in caplog.text


def test_other_errors_are_the_trial_s(
    store: Path, recipe: Recipe, dataset: ImageDataset, tmp_path: Path
) -> None:
    with pytest.raises(DataUnavailable, match="is not in the store any more"):
        screen_beside(recipe, context(tmp_path, recipe), dataset, CPU)
