"""The store: a recipe that was trained trains nothing, and what is read is what was trained."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from diffusion.data import ImageDataset, load_dataset
from diffusion.errors import DataUnavailable
from diffusion.recipe import EmaConfig, Recipe
from diffusion.train import train
from study import backbones
from study.backbones import BackboneStore

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset() -> ImageDataset:
    return load_dataset("mnist5k")


def obtain(store: BackboneStore, recipe: Recipe, dataset: ImageDataset) -> backbones.Backbone:
    return store.obtain(recipe, dataset, CPU, lambda images: None)


def test_a_trained_recipe_trains_nothing(
    tmp_path: Path,
    digit_recipe: Recipe,
    dataset: ImageDataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = BackboneStore(tmp_path)
    assert store.find(digit_recipe) is None
    first = obtain(store, digit_recipe, dataset)
    monkeypatch.setattr(backbones, "train", None)  # calling it would raise
    again = obtain(BackboneStore(tmp_path), digit_recipe, dataset)
    assert again == first
    assert again.train_seconds > 0
    other_track = replace(digit_recipe, ema=EmaConfig("long"))
    assert obtain(store, other_track, dataset).folder == first.folder


def test_another_backbone_is_not_found(
    tmp_path: Path,
    digit_recipe: Recipe,
    with_groups: Callable[[int], Recipe],
    dataset: ImageDataset,
) -> None:
    store = BackboneStore(tmp_path)
    obtain(store, digit_recipe, dataset)
    assert store.find(with_groups(2)) is None
    longer = replace(digit_recipe.training, train_images=128)
    assert store.find(replace(digit_recipe, training=longer)) is None


def test_every_track_comes_back_bit_for_bit(
    tmp_path: Path, digit_recipe: Recipe, dataset: ImageDataset
) -> None:
    store = BackboneStore(tmp_path)
    (snapshot,) = train(digit_recipe, dataset.train_images, dataset.train_labels, CPU)
    obtain(store, digit_recipe, dataset)
    for track, state in snapshot.tracks.items():
        found = store.find(replace(digit_recipe, ema=EmaConfig(track)))
        assert found is not None
        stored = found.network().state_dict()
        assert stored.keys() == state.keys()
        for name, value in state.items():
            assert torch.equal(stored[name], value), (track, name)


def test_the_record_names_what_was_trained(
    tmp_path: Path, digit_recipe: Recipe, dataset: ImageDataset
) -> None:
    backbone = obtain(BackboneStore(tmp_path), digit_recipe, dataset)
    record = json.loads((backbone.folder.parent / "record.json").read_text())
    assert record["key"] == digit_recipe.backbone_key == backbone.folder.parent.name
    assert record["network"]["widths"] == [8, 16]
    assert record["snapshots"]["64"]["train_seconds"] == backbone.train_seconds
    assert not [p for p in backbone.folder.parent.iterdir() if p.name.startswith(".")]


def test_a_snapshot_without_its_line_of_the_record_is_trained_again(
    tmp_path: Path, digit_recipe: Recipe, dataset: ImageDataset
) -> None:
    store = BackboneStore(tmp_path)
    first = obtain(store, digit_recipe, dataset)
    record_path = first.folder.parent / "record.json"
    record = json.loads(record_path.read_text())
    record["snapshots"] = {}  # as a kill between the two leaves it
    record_path.write_text(json.dumps(record))
    assert store.find(digit_recipe) is None
    assert obtain(store, digit_recipe, dataset).folder == first.folder
    assert store.find(digit_recipe) is not None


def test_a_longer_training_keeps_the_shorter_one(
    tmp_path: Path, digit_recipe: Recipe, dataset: ImageDataset
) -> None:
    store = BackboneStore(tmp_path)
    first = obtain(store, digit_recipe, dataset)
    longer = replace(digit_recipe, training=replace(digit_recipe.training, train_images=128))
    obtain(store, longer, dataset)
    assert store.find(digit_recipe) == first
    assert store.find(longer) is not None


def test_a_damaged_file_says_what_to_do(
    tmp_path: Path, digit_recipe: Recipe, dataset: ImageDataset
) -> None:
    backbone = obtain(BackboneStore(tmp_path), digit_recipe, dataset)
    for file in backbone.folder.iterdir():
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(DataUnavailable, match=r"delete .* to train it again"):
        backbone.network()
