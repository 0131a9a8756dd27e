"""The store of backbones: trainings by content, so that a recipe that was trained trains nothing.

KEY/record.json                     what it was trained on and how its snapshots came out
KEY/IMAGES/weights.safetensors      the weights after IMAGES images
KEY/IMAGES/ema_TRACK.safetensors    each average of them
"""

import json
import os
import shutil
import tempfile
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

RECORD = "record.json"


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
            DataUnavailable: the stored file is damaged.
        """
        file = self.folder / _file_name(self.recipe.ema.track)
        network = build_network(self.recipe.network, self.recipe.data)
        try:
            network.load_state_dict(safetensors.torch.load_file(file))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise DataUnavailable(
                f"backbone file {file} cannot be read ({error}); delete {self.folder} to train "
                "it again"
            ) from error
        return network


class BackboneStore:
    """A folder of backbones; several processes may read and write it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, recipe: Recipe) -> Backbone | None:
        """Return the backbone that a recipe asks for, or None if it is yet to be trained."""
        folder = self._folder(recipe)
        record_path = folder.parent / RECORD
        if not folder.is_dir() or not record_path.exists():
            return None
        snapshots = json.loads(record_path.read_text())["snapshots"]
        snapshot = snapshots.get(str(recipe.training.train_images))
        if snapshot is None:  # cut off between the snapshot and its line of the record
            return None
        return Backbone(recipe, folder, snapshot["train_seconds"])

    def obtain(
        self, recipe: Recipe, dataset: ImageDataset, device: torch.device, on_progress: Progress
    ) -> Backbone:
        """Return a recipe's backbone, training it first where it is missing.

        Raises:
            TrainingDiverged: the loss became NaN or exploded; earlier snapshots stay.
        """
        if found := self.find(recipe):
            return found
        record_path = self._folder(recipe).parent / RECORD
        record = json.loads(record_path.read_text()) if record_path.exists() else None
        record = record or _new_record(recipe)
        images, labels = dataset.train_images, dataset.train_labels
        for snapshot in train(recipe, images, labels, device, on_progress):
            self._write(recipe, snapshot, record)
        found = self.find(recipe)
        assert found is not None
        return found

    def _folder(self, recipe: Recipe) -> Path:
        return self.root / recipe.backbone_key / str(recipe.training.train_images)

    def _write(self, recipe: Recipe, snapshot: Snapshot, record: dict[str, Any]) -> None:
        """Write a snapshot aside and rename it, then its line of the record."""
        key_folder = self.root / recipe.backbone_key
        key_folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{snapshot.train_images}.", dir=key_folder))
        aside.chmod(0o755)  # mkdtemp's is private
        for track, state in snapshot.tracks.items():
            safetensors.torch.save_file(state, aside / _file_name(track))
        final = key_folder / str(snapshot.train_images)
        if final.exists():  # left by a training that was cut off, or by another process
            shutil.rmtree(final)
        aside.replace(final)
        record["snapshots"][str(snapshot.train_images)] = {
            "train_seconds": round(snapshot.train_seconds, 3),
            "loss": snapshot.loss,
        }
        write_json(key_folder / RECORD, record)


def write_json(path: Path, values: Any) -> None:
    """Write a JSON file aside and rename it, so that no reader sees half of it."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(values, indent=2) + "\n")
    aside.replace(path)


def _file_name(track: str) -> str:
    return "weights.safetensors" if track == "none" else f"ema_{track}.safetensors"


def _new_record(recipe: Recipe) -> dict[str, Any]:
    values = recipe.to_dict()
    return {
        "key": recipe.backbone_key,
        "data": values["data"],
        "network": values["network"],
        "training": {k: v for k, v in values["training"].items() if k != "train_images"},
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "snapshots": {},
    }
