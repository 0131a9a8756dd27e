"""The store: a recipe that was trained trains nothing, and what is read is what was trained."""

import errno
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from diffusion import train as train_module
from diffusion.data import ImageDataset, load_dataset
from diffusion.recipe import EmaConfig, Recipe
from diffusion.train import Snapshot, train
from study.run import backbones, snapshots
from study.run.backbones import BackboneStore
from study.run.checkpoints import CheckpointFile
from study.run.files import LOCK

CPU = torch.device("cpu")
# Trains in a process of its own, with a checkpoint as often as it can.
TRAIN = """
import json, sys, torch
from pathlib import Path
from diffusion.data import load_dataset
from diffusion.recipe import Recipe
from study.run import checkpoints
from study.run.backbones import BackboneStore
torch.set_num_threads(int(sys.argv[3]))
checkpoints.CheckpointFile.due = lambda self: True
recipe = Recipe.from_dict(json.loads(Path(sys.argv[1]).read_text()))
store, cpu = BackboneStore(Path(sys.argv[2])), torch.device("cpu")
store.obtain(recipe, load_dataset("mnist5k"), cpu, lambda images: None)
"""


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
    hidden = {p.name for p in backbone.folder.parent.iterdir() if p.name.startswith(".")}
    assert hidden == {LOCK}


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


def test_a_damaged_snapshot_is_set_aside_said_and_trained_anew(
    tmp_path: Path,
    digit_recipe: Recipe,
    dataset: ImageDataset,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = BackboneStore(tmp_path)
    backbone = obtain(store, digit_recipe, dataset)
    whole = backbone.network().state_dict()
    file = backbone.folder / "ema_mid.safetensors"
    assert digit_recipe.ema.track == "mid"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1  # a single bit, which the file's own format cannot tell
    file.write_bytes(content)
    again = obtain(store, digit_recipe, dataset)
    assert "is damaged (ema_mid.safetensors): set aside, trained anew" in caplog.text
    aside = tmp_path / digit_recipe.backbone_key / ".64.damaged"
    assert (aside / file.name).read_bytes() == content
    for name, value in again.network().state_dict().items():
        assert torch.equal(value, whole[name])


def test_a_missing_file_is_a_damaged_snapshot(
    tmp_path: Path, digit_recipe: Recipe, dataset: ImageDataset
) -> None:
    store = BackboneStore(tmp_path)
    backbone = obtain(store, digit_recipe, dataset)
    (backbone.folder / "ema_mid.safetensors").unlink()
    assert store.find(digit_recipe) is None
    assert store.find(replace(digit_recipe, ema=EmaConfig("none"))) is None
    obtain(store, digit_recipe, dataset)
    assert store.find(replace(digit_recipe, ema=EmaConfig("none"))) is not None


@pytest.mark.parametrize(
    "line", [{"sha256": {}, "train_seconds": 1.0}, {"train_seconds": 1.0}, {"sha256": None}, 7]
)
@pytest.mark.parametrize("missing", [False, True])
def test_a_file_without_its_hash_is_a_damaged_snapshot(
    tmp_path: Path,
    digit_recipe: Recipe,
    line: Any,
    missing: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    key_folder = tmp_path / digit_recipe.backbone_key
    (key_folder / "64").mkdir(parents=True)
    (key_folder / "record.json").write_text(json.dumps({"format": 1, "snapshots": {"64": line}}))
    if not missing:
        (key_folder / "64" / "ema_mid.safetensors").write_bytes(b"weights")
    assert BackboneStore(tmp_path).find(digit_recipe) is None
    assert "is damaged (ema_mid.safetensors): set aside, trained anew" in caplog.text
    assert (key_folder / ".64.damaged").is_dir()


def test_a_full_disk_is_told_as_such_and_leaves_nothing_behind(
    tmp_path: Path, digit_recipe: Recipe, dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bytes = snapshots.write_bytes

    def full(path: Path, content: bytes) -> None:
        if path.name == "ema_short.safetensors":
            raise OSError(errno.ENOSPC, "No space left on device")
        write_bytes(path, content)

    monkeypatch.setattr(snapshots, "write_bytes", full)
    with pytest.raises(OSError, match="No space left") as raised:
        obtain(BackboneStore(tmp_path), digit_recipe, dataset)
    assert raised.value.errno == errno.ENOSPC
    (lock,) = (tmp_path / digit_recipe.backbone_key).iterdir()
    assert lock.name == LOCK


@pytest.mark.parametrize("others_images", [64, 128])
def test_what_another_process_writes_meanwhile_stays(
    tmp_path: Path,
    digit_recipe: Recipe,
    dataset: ImageDataset,
    others_images: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (snapshot,) = train(digit_recipe, dataset.train_images, dataset.train_labels, CPU)
    theirs = digit_recipe.with_changes({"training.train_images": others_images})
    marker = tmp_path / digit_recipe.backbone_key / str(others_images) / "marker"

    def yielding(made: Snapshot, meanwhile: Callable[[], None]) -> Callable[..., Any]:
        def train(*arguments: Any, **options: Any) -> Iterator[Snapshot]:
            meanwhile()
            yield made

        return train

    def other_process() -> None:
        made = replace(snapshot, train_images=others_images)
        monkeypatch.setattr(backbones, "train", yielding(made, lambda: None))
        obtain(BackboneStore(tmp_path), theirs, dataset)
        marker.touch()

    monkeypatch.setattr(backbones, "train", yielding(snapshot, other_process))
    obtain(BackboneStore(tmp_path), digit_recipe, dataset)
    for recipe in (digit_recipe, theirs):
        assert BackboneStore(tmp_path).find(recipe) is not None
    assert marker.exists()


def test_a_shorter_training_that_is_cut_off_goes_on_beside_the_longer_ones_checkpoint(
    tmp_path: Path, digit_recipe: Recipe, dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CheckpointFile, "due", lambda self: True)
    monkeypatch.setattr(train_module, "FIRST_SNAPSHOT_IMAGES", 128)
    store = BackboneStore(tmp_path)
    longer = digit_recipe.with_changes({"training.train_images": 192})
    recipe = digit_recipe.with_changes({"training.train_images": 128})
    obtain(store, longer, dataset)
    first = store.find(recipe)
    assert first is not None
    whole = first.network().state_dict()
    checkpoint = first.folder.parent / "checkpoint.safetensors"
    longer_state = checkpoint.read_bytes()
    (first.folder / "ema_mid.safetensors").unlink()

    def kill(images_seen: int) -> None:
        if images_seen == 64:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.obtain(recipe, dataset, CPU, kill)
    seen: list[int] = []
    again = store.obtain(recipe, dataset, CPU, seen.append)
    assert (seen[0], seen[-1]) == (64, 128)
    for name, value in again.network().state_dict().items():
        assert torch.equal(value, whole[name])
    assert checkpoint.read_bytes() == longer_state
    assert list(checkpoint.parent.glob("checkpoint*")) == [checkpoint]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 99}', '{"format": 1}'])
def test_a_damaged_record_is_set_aside(
    tmp_path: Path,
    digit_recipe: Recipe,
    dataset: ImageDataset,
    content: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = BackboneStore(tmp_path)
    record = obtain(store, digit_recipe, dataset).folder.parent / "record.json"
    record.write_text(content)
    assert store.find(digit_recipe) is None
    assert f"{record.parent}/.record.json.damaged cannot be read" in caplog.text
    assert obtain(store, digit_recipe, dataset).train_seconds > 0
    assert (record.parent / ".record.json.damaged").read_text() == content


def test_a_longer_training_goes_on_from_the_shorter_one(
    tmp_path: Path,
    digit_recipe: Recipe,
    dataset: ImageDataset,
) -> None:
    longer = replace(digit_recipe, training=replace(digit_recipe.training, train_images=128))
    seen: list[int] = []
    store = BackboneStore(tmp_path / "steps")
    obtain(store, digit_recipe, dataset)
    continued = store.obtain(longer, dataset, CPU, seen.append)
    whole = obtain(BackboneStore(tmp_path / "whole"), longer, dataset)
    assert seen[0] == 64
    for name, value in whole.network().state_dict().items():
        assert torch.equal(value, continued.network().state_dict()[name])


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_as_if_it_had_not_been(
    tmp_path: Path, digit_recipe: Recipe, dataset: ImageDataset
) -> None:
    training = replace(digit_recipe.training, train_images=12_800)
    recipe = replace(digit_recipe, training=training)
    request = tmp_path / "recipe.json"
    request.write_text(json.dumps(recipe.to_dict()))
    checkpoint = tmp_path / "killed" / recipe.backbone_key / "checkpoint.safetensors"
    folder, threads = str(tmp_path / "killed"), str(torch.get_num_threads())
    command = [sys.executable, "-c", TRAIN, str(request), folder, threads]
    steps = []
    for _ in range(3):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        with subprocess.Popen(command) as process:
            while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
                assert process.poll() is None, "it ended before it was killed"
                time.sleep(0.005)
            process.kill()
        kept = CheckpointFile(checkpoint).load()
        assert kept is not None
        steps.append(kept.step)
    assert 0 < steps[0] < steps[1] < steps[2]
    resumed = obtain(BackboneStore(tmp_path / "killed"), recipe, dataset)
    whole = obtain(BackboneStore(tmp_path / "whole"), recipe, dataset)
    for track in ("none", "short", "mid", "long"):
        name = "weights.safetensors" if track == "none" else f"ema_{track}.safetensors"
        assert (resumed.folder / name).read_bytes() == (whole.folder / name).read_bytes()
