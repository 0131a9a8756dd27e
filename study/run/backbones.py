"""The store of backbones: trainings by content, so that a recipe that was trained trains nothing.

KEY/record.json                     what it was trained on, its snapshots and their files' hashes
KEY/checkpoint.safetensors          from where its training goes on
KEY/checkpoint-IMAGES.safetensors   the same of a shorter one, while it is trained anew
KEY/IMAGES/weights.safetensors      the weights after IMAGES images
KEY/IMAGES/ema_TRACK.safetensors    each average of them
KEY/.IMAGES.new                     a snapshot that is being written, under the key's lock

Nothing in it is read through a link.
"""

import logging
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from diffusion.data import ImageDataset
from diffusion.errors import DataUnavailable
from diffusion.networks import build_network
from diffusion.recipe import Recipe
from diffusion.train import Progress, Snapshot, train
from study.run.checkpoints import CheckpointFile, kept_step
from study.run.files import MEGABYTE, locked, read_json, set_aside, write_json
from study.run.snapshots import clear, file_name, is_whole, write_snapshot

logger = logging.getLogger(__name__)
FORMAT_VERSION = 1
RECORD, CHECKPOINT = "record.json", "checkpoint.safetensors"
MOST_RECORD_BYTES = 16 * MEGABYTE


@dataclass(frozen=True)
class Backbone:
    """One stored snapshot.

    Attributes:
        train_seconds: wall time its training took up to here, whoever ran it.
    """

    recipe: Recipe
    folder: Path
    train_seconds: float

    def network(self) -> nn.Module:
        """Build the recipe's network with the weights of its EMA track.

        Raises:
            DataUnavailable: the stored file is not as it was when the backbone was found.
        """
        file = self.folder / file_name(self.recipe.ema.track)
        network = build_network(self.recipe.network, self.recipe.data)
        try:
            network.load_state_dict(safetensors.torch.load_file(file))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise DataUnavailable(f"backbone file {file} cannot be read ({error})") from error
        return network


class _Damaged(Exception):
    """A file or folder of the store that is not what was written, and how to say so."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path, self.message = path, message


class BackboneStore:
    """A folder of backbones; several processes may read and write it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, recipe: Recipe) -> Backbone | None:
        """Return the backbone that a recipe asks for, or None if it is yet to be trained.

        A snapshot whose file is not what the record says was written is set aside, and said.
        """
        try:
            return self._find(recipe)
        except _Damaged:
            with locked(self._key_folder(recipe)):  # a writer may just have been replacing it
                return self._find_or_set_aside(recipe)

    def obtain(
        self, recipe: Recipe, dataset: ImageDataset, device: torch.device, on_progress: Progress
    ) -> Backbone:
        """Return a recipe's backbone, training it where it is missing, from its checkpoint on.

        Raises:
            TrainingDiverged: the loss became NaN or exploded; earlier snapshots stay.
        """
        if found := self.find(recipe):
            return found
        images, labels = dataset.train_images, dataset.train_labels
        key_folder = self._key_folder(recipe)
        key_folder.mkdir(parents=True, exist_ok=True)
        checkpoint, config = key_folder / CHECKPOINT, recipe.training
        own = key_folder / f"checkpoint-{config.train_images}.safetensors"
        if kept_step(checkpoint) >= math.ceil(config.train_images / config.batch_size):
            checkpoint = own  # the other is a longer training's, which must not be lost
        keeper = CheckpointFile(checkpoint)
        for snapshot in train(recipe, images, labels, device, on_progress, keeper):
            self._write(recipe, snapshot)
        own.unlink(missing_ok=True)
        found = self.find(recipe)
        if found is None:
            raise DataUnavailable(f"backbone {self._folder(recipe)} is damaged once more")
        return found

    def _find(self, recipe: Recipe) -> Backbone | None:
        folder = self._folder(recipe)
        snapshot = self._read_record(recipe)["snapshots"].get(folder.name)
        if snapshot is None or not os.path.lexists(folder):
            # None: cut off between the snapshot and its line of the record.
            return None
        name = file_name(recipe.ema.track)
        if not is_whole(folder, name, snapshot):
            raise _Damaged(folder, f"backbone %s is damaged ({name}): set aside, trained anew")
        return Backbone(recipe, folder, float(snapshot["train_seconds"]))

    def _find_or_set_aside(self, recipe: Recipe) -> Backbone | None:
        """Find a backbone under its key's lock, so that nobody else replaces what is damaged."""
        try:
            return self._find(recipe)
        except _Damaged as damaged:
            logger.warning(damaged.message, set_aside(damaged.path))
            return None

    def _read_record(self, recipe: Recipe) -> dict[str, Any]:
        """Return what is known of a training."""
        path = self._key_folder(recipe) / RECORD
        try:
            record: dict[str, Any] = read_json(path, MOST_RECORD_BYTES)
            if record["format"] != FORMAT_VERSION or not isinstance(record["snapshots"], dict):
                raise ValueError(f"format {record['format']!r}; allowed: {FORMAT_VERSION}")
        except FileNotFoundError:
            return _new_record(recipe)
        except (ValueError, LookupError, TypeError) as error:
            message = f"record %s cannot be read ({str(error).replace('%', '%%')}): set aside"
            raise _Damaged(path, message) from error
        return record

    def _folder(self, recipe: Recipe) -> Path:
        return self._key_folder(recipe) / str(recipe.training.train_images)

    def _key_folder(self, recipe: Recipe) -> Path:
        folder = self.root / recipe.backbone_key
        if folder.is_symlink():
            raise DataUnavailable(f"backbone folder {folder} is a link; allowed: a folder")
        return folder

    def _write(self, recipe: Recipe, snapshot: Snapshot) -> None:
        """Write a snapshot aside and rename it, then its line of the record, under the key's lock.

        One that another process wrote first stays: it holds the same.
        """
        key_folder, images = self._key_folder(recipe), snapshot.train_images
        at_snapshot = {"training.train_images": images}
        recipes = [
            recipe.with_changes({**at_snapshot, "ema.track": track}) for track in snapshot.tracks
        ]
        with locked(key_folder):
            clear(key_folder)
            if all(self._find_or_set_aside(r) for r in recipes):
                return
            hashes = write_snapshot(key_folder / str(images), snapshot.tracks)
            record = self._read_record(recipe)
            record["snapshots"][str(images)] = {
                "train_seconds": round(snapshot.train_seconds, 3),
                "loss": snapshot.loss,
                "sha256": hashes,
            }
            write_json(key_folder / RECORD, record)


def _new_record(recipe: Recipe) -> dict[str, Any]:
    values = recipe.to_dict()
    return {
        "format": FORMAT_VERSION,
        "key": recipe.backbone_key,
        "data": values["data"],
        "network": values["network"],
        "training": {k: v for k, v in values["training"].items() if k != "train_images"},
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "snapshots": {},
    }
