"""A snapshot appears whole; what a killed writer left is gone at the next write."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from diffusion.data import ImageDataset
from diffusion.errors import DataUnavailable
from diffusion.recipe import Recipe
from study.run.backbones import BackboneStore
from study.run.files import LOCK
from study.run.snapshots import clear, is_whole, write_snapshot

CPU = torch.device("cpu")
TRACKS = {"none": {"w": torch.ones(2)}, "mid": {"w": torch.zeros(2)}}
# Trains in a process of its own, which is killed while it writes its snapshot's second file.
DIE = """
import json, os, signal, sys, torch
from pathlib import Path
from diffusion.data import load_dataset
from diffusion.recipe import Recipe
from study.run import snapshots
from study.run.backbones import BackboneStore
write_bytes, written = snapshots.write_bytes, []
def die(path, content):
    if written:
        path.with_name(f".{path.name}.{os.getpid()}").write_bytes(content[:9])
        os.kill(os.getpid(), signal.SIGKILL)
    write_bytes(path, content)
    written.append(path)
snapshots.write_bytes = die
recipe = Recipe.from_dict(json.loads(sys.argv[1]))
store, cpu = BackboneStore(Path(sys.argv[2])), torch.device("cpu")
store.obtain(recipe, load_dataset("mnist5k"), cpu, lambda images: None)
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_a_killed_writer_left_is_removed_by_the_next_one(
    tmp_path: Path, digit_recipe: Recipe, mnist5k: ImageDataset
) -> None:
    recipe = json.dumps(digit_recipe.to_dict())
    killed = subprocess.run([sys.executable, "-c", DIE, recipe, str(tmp_path)], check=False)
    assert killed.returncode == -9
    key_folder = tmp_path / digit_recipe.backbone_key
    assert ".64.new" in names(key_folder), "it was killed within its writing"
    assert "64" not in names(key_folder)
    backbone = BackboneStore(tmp_path).obtain(digit_recipe, mnist5k, CPU, lambda images: None)
    assert names(key_folder) <= {LOCK, "64", "record.json", "checkpoint.safetensors"}
    assert len(names(backbone.folder)) == 4, "the weights and three averages"


@pytest.mark.parametrize(
    ("name", "stays"),
    [
        (".64.abcd_123", False),  # as earlier versions wrote them
        (".64.new", False),
        (".record.json.4711", False),
        (".checkpoint.safetensors.4711", False),
        (".checkpoint-64.safetensors.4711", False),
        (".64.damaged", True),
        (".64.damaged3", True),
        (".record.json.damaged", True),
        (".checkpoint.safetensors.damaged", True),
        ("64", True),
        ("record.json", True),
        (LOCK, True),
    ],
)
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_whole_or_kept_to_be_looked_at_stays(
    name: str, stays: bool, kind: str, tmp_path: Path
) -> None:
    path, outside = tmp_path / "key" / name, tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    path.parent.mkdir()
    if kind == "file":
        path.touch()
    elif kind == "folder":
        path.mkdir()
        (path / "file").touch()
    else:
        path.symlink_to(outside)
    clear(path.parent)
    assert os.path.lexists(path) == stays
    assert names(outside) == {"file"}, "what a link leads to is not touched"


def test_a_snapshot_replaces_what_is_in_its_place(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "64").symlink_to(outside)
    sha256 = write_snapshot(tmp_path / "64", TRACKS)
    assert names(tmp_path) == {"64", "outside"}
    assert names(tmp_path / "64") == {"weights.safetensors", "ema_mid.safetensors"} == set(sha256)
    assert names(outside) == set()
    known = {"train_seconds": 1.5, "sha256": sha256}
    assert all(is_whole(tmp_path / "64", name, known) for name in sha256)


@pytest.mark.parametrize(
    "change",
    [
        {"train_seconds": "1.5"},
        {"train_seconds": -1.0},
        {"train_seconds": float("nan")},
        {"train_seconds": None},
        {"sha256": []},
        {"sha256": {"weights.safetensors": 7}},
        {"sha256": {}},
    ],
)
def test_a_line_of_the_record_that_is_none_of_ours_is_damage(
    change: dict[str, object], tmp_path: Path
) -> None:
    known = {"train_seconds": 1.5, "sha256": write_snapshot(tmp_path / "64", TRACKS)}
    assert is_whole(tmp_path / "64", "weights.safetensors", known)
    assert not is_whole(tmp_path / "64", "weights.safetensors", {**known, **change})


@pytest.mark.parametrize("which", ["file", "snapshot"])
def test_a_snapshot_behind_a_link_is_damage(which: str, tmp_path: Path) -> None:
    folder = tmp_path / "64"
    known = {"train_seconds": 1.5, "sha256": write_snapshot(folder, TRACKS)}
    path = folder if which == "snapshot" else folder / "weights.safetensors"
    path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    assert not is_whole(folder, "weights.safetensors", known)


def test_a_key_s_folder_that_is_a_link_is_refused(
    tmp_path: Path, digit_recipe: Recipe, mnist5k: ImageDataset
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / digit_recipe.backbone_key).symlink_to(tmp_path / "outside")
    store = BackboneStore(tmp_path)
    with pytest.raises(DataUnavailable, match="is a link; allowed: a folder"):
        store.find(digit_recipe)
    with pytest.raises(DataUnavailable, match="is a link; allowed: a folder"):
        store.obtain(digit_recipe, mnist5k, CPU, lambda images: None)
    assert names(tmp_path / "outside") == set()
