"""The store of backbones: trainings by content, so that a recipe that was trained trains nothing.

KEY/record.json                     what it was trained on, its snapshots and their files' hashes
KEY/checkpoint.safetensors          from where its training goes on
KEY/IMAGES/weights.safetensors      the weights after IMAGES images
KEY/IMAGES/ema_TRACK.safetensors    each average of them
"""

import hashlib
import json
import logging
import shutil
import tempfile
from dataclasses import dataclass, field, replace
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
from study.checkpoints import CheckpointFile
from study.files import set_aside, write_json

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
RECORD, CHECKPOINT = "record.json", "checkpoint.safetensors"


@dataclass(frozen=True)
class Backbone:
    """One stored snapshot.

    Attributes:
        train_seconds: wall time its training took up to here, whoever ran it.
        trained_images: how many of its images it was trained on just now; 0 if it was there.
    """

    recipe: Recipe
    folder: Path
    train_seconds: float
    trained_images: int = field(default=0, compare=False)

    def network(self) -> nn.Module:
        """Build the recipe's network with the weights of its EMA track.

        Raises:
            DataUnavailable: the stored file is not as it was when the backbone was found.
        """
        file = self.folder / _file_name(self.recipe.ema.track)
        network = build_network(self.recipe.network, self.recipe.data)
        try:
            network.load_state_dict(safetensors.torch.load_file(file))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise DataUnavailable(f"backbone file {file} cannot be read ({error})") from error
        return network


class BackboneStore:
    """A folder of backbones; several processes may read and write it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, recipe: Recipe) -> Backbone | None:
        """Return the backbone that a recipe asks for, or None if it is yet to be trained.

        A snapshot whose file is missing or not what was written is set aside, and said.
        """
        folder = self._folder(recipe)
        snapshot = self._read_record(recipe)["snapshots"].get(folder.name)
        if snapshot is None or not folder.is_dir():
            # None: cut off between the snapshot and its line of the record.
            return None
        name = _file_name(recipe.ema.track)
        if _sha256(folder / name) != snapshot["sha256"].get(name):
            aside = set_aside(folder)
            logger.warning("backbone %s is damaged (%s): set aside, trained anew", aside, name)
            return None
        return Backbone(recipe, folder, snapshot["train_seconds"])

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
        key_folder = self._folder(recipe).parent
        key_folder.mkdir(parents=True, exist_ok=True)
        keeper = CheckpointFile(key_folder / CHECKPOINT)
        begin: list[int] = []

        def pass_on(images_seen: int) -> None:
            begin.append(images_seen)
            on_progress(images_seen)

        for snapshot in train(recipe, images, labels, device, pass_on, keeper):
            self._write(recipe, snapshot)
        found = self.find(recipe)
        if found is None:
            raise DataUnavailable(f"backbone {self._folder(recipe)} is damaged once more")
        return replace(found, trained_images=recipe.training.train_images - begin[0])

    def _read_record(self, recipe: Recipe) -> dict[str, Any]:
        """Return what is known of a training; a damaged record is set aside, and said."""
        path = self._folder(recipe).parent / RECORD
        try:
            record: dict[str, Any] = json.loads(path.read_text())
            if record["format"] != FORMAT_VERSION or not isinstance(record["snapshots"], dict):
                raise ValueError(f"format {record['format']!r}; allowed: {FORMAT_VERSION}")
        except FileNotFoundError:
            return _new_record(recipe)
        except (ValueError, LookupError, TypeError) as error:
            aside = set_aside(path)
            logger.warning("record %s cannot be read (%s): set aside", aside, error)
            return _new_record(recipe)
        return record

    def _folder(self, recipe: Recipe) -> Path:
        return self.root / recipe.backbone_key / str(recipe.training.train_images)

    def _write(self, recipe: Recipe, snapshot: Snapshot) -> None:
        """Write a snapshot aside and rename it, then its line of the record."""
        key_folder = self.root / recipe.backbone_key
        # Read again each time: another process may have added to it.
        record = self._read_record(recipe)
        aside = Path(tempfile.mkdtemp(prefix=f".{snapshot.train_images}.", dir=key_folder))
        aside.chmod(0o755)  # mkdtemp's is private
        for track, state in snapshot.tracks.items():
            safetensors.torch.save_file(state, aside / _file_name(track))
        final = key_folder / str(snapshot.train_images)
        shutil.rmtree(final, ignore_errors=True)  # left by a training that was cut off
        try:
            aside.replace(final)
        except OSError:
            if not final.is_dir():  # else another process that shares the store was as far
                raise
            shutil.rmtree(aside)
        record["snapshots"][str(snapshot.train_images)] = {
            "train_seconds": round(snapshot.train_seconds, 3),
            "loss": snapshot.loss,
            "sha256": {file.name: _sha256(file) for file in sorted(final.iterdir())},
        }
        write_json(key_folder / RECORD, record)


def _file_name(track: str) -> str:
    return "weights.safetensors" if track == "none" else f"ema_{track}.safetensors"


def _sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


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
