"""Which backbones of a store can be compressed, and what is said of the others."""

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from noise_data import noise_dataset

from diffusion.data import ImageDataset
from diffusion.recipe import NetworkConfig, Recipe, TrainingConfig
from study.run.backbones import BackboneStore
from study.run.key_folder import SnapshotUnavailable
from study.run.stored_backbones import check_backbones, find_backbones


@pytest.fixture(scope="module")
def dataset() -> ImageDataset:
    return noise_dataset()


@pytest.fixture(scope="module")
def recipes(dataset: ImageDataset) -> list[Recipe]:
    network = NetworkConfig("mini_ddpm", (8, 16), patch_size=2)
    training = TrainingConfig(train_images=64)
    return [Recipe(dataset.config(), network, replace(training, seed=seed)) for seed in (0, 1)]


@pytest.fixture(scope="module")
def trained(
    dataset: ImageDataset, recipes: list[Recipe], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("store")
    for recipe in recipes:
        BackboneStore(folder).obtain(recipe, dataset, torch.device("cpu"), lambda _: None)
    return folder


@pytest.fixture
def store(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "store"))


def test_all_are_found_as_they_were_trained(
    store: Path, dataset: ImageDataset, recipes: list[Recipe]
) -> None:
    found = find_backbones(store, dataset.config())
    assert {b.key for b in found} == {recipe.backbone_key for recipe in recipes}
    for backbone in found:
        recipe = next(r for r in recipes if r.backbone_key == backbone.key)
        assert backbone.training == recipe.training
        assert backbone.network == recipe.network
        assert "short" in backbone.tracks
    check_backbones(store, found, dataset.config())


def test_the_beginning_of_a_key_names_one(
    store: Path, dataset: ImageDataset, recipes: list[Recipe]
) -> None:
    key = recipes[0].backbone_key
    assert [b.key for b in find_backbones(store, dataset.config(), [key[:6]])] == [key]


@pytest.mark.parametrize(
    ("wanted", "train_images", "line"),
    [
        (["zz"], None, "no key's beginning"),
        ([""], None, "the beginning of 2 keys"),
        ([], 128, "no snapshot of 128 images, but of 64"),
    ],
)
def test_what_is_not_there_is_named(
    store: Path,
    dataset: ImageDataset,
    wanted: list[str],
    train_images: int | None,
    line: str,
) -> None:
    with pytest.raises(ValueError, match=line):
        find_backbones(store, dataset.config(), wanted, train_images)


def test_a_folder_without_backbones_is_no_store(tmp_path: Path, dataset: ImageDataset) -> None:
    with pytest.raises(ValueError, match="holds no trained backbone"):
        find_backbones(tmp_path, dataset.config())


def test_other_data_and_damaged_records_are_left_out_and_said(
    store: Path,
    dataset: ImageDataset,
    recipes: list[Recipe],
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = store / recipes[0].backbone_key / "record.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "data": {**record["data"], "fingerprint": "f" * 16}}))
    with caplog.at_level(logging.WARNING):
        found = find_backbones(store, dataset.config())
    assert [b.key for b in found] == [recipes[1].backbone_key]
    assert "1 left out" in caplog.text
    path.write_text("{")
    with pytest.raises(ValueError, match="its record cannot be read"):
        find_backbones(store, dataset.config(), [recipes[0].backbone_key])


def test_a_snapshot_that_went_is_an_error_and_nothing_is_trained(
    store: Path, dataset: ImageDataset, recipes: list[Recipe]
) -> None:
    found = find_backbones(store, dataset.config())
    shutil.rmtree(store / recipes[0].backbone_key / "64")
    with pytest.raises(SnapshotUnavailable, match=recipes[0].backbone_key):
        check_backbones(store, found, dataset.config())
    assert not (store / recipes[0].backbone_key / "64").exists()
