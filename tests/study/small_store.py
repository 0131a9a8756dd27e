"""Stores for tests: snapshots that nobody trained, written as trained ones are."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from diffusion.recipe import Recipe
from study.run.backbones import BackboneStore
from study.run.key_folder import RECORD

TRACKS = ("none", "short", "mid", "long")


def keep(store: Path, recipe: Recipe, images: int = 64, tracks: Sequence[str] = TRACKS) -> Path:
    """Write a snapshot of a recipe's backbone; return the folder of its key."""
    folder = BackboneStore(store)._folder(recipe)
    folder.path.mkdir(parents=True, exist_ok=True)
    states = {track: {"weight": torch.full((2,), float(images))} for track in tracks}
    folder.write(images, states, {"train_seconds": 1.5, "loss": 0.5})
    return folder.path


def change_record(folder: Path, **values: Any) -> None:
    """Write other values into a record."""
    record = json.loads((folder / RECORD).read_text())
    (folder / RECORD).write_text(json.dumps({**record, **values}))


def contents(store: Path) -> dict[str, bytes]:
    """Return all files of a store but its locks."""
    files = [path for path in store.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(store)): path.read_bytes() for path in files}
