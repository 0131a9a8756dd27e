"""The store of backbones: trainings by content, so that a recipe that was trained trains nothing.

KEY/record.json                     what it was trained on, its snapshots and their files' hashes
KEY/checkpoint.safetensors          from where its training goes on
KEY/checkpoint-IMAGES.safetensors   the same of a shorter one, while it is trained anew
KEY/IMAGES/weights.safetensors      the weights after IMAGES images
KEY/IMAGES/ema_TRACK.safetensors    each average of them
KEY/.IMAGES.new                     a snapshot that is being written, under the key's lock

Nothing in it is read through a link.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from diffusion.checkpointing import Progress
from diffusion.data import ImageDataset
from diffusion.errors import DataUnavailable
from diffusion.networks import build_network
from diffusion.recipe import Recipe
from diffusion.train import train
from study.run.checkpoints import CheckpointFile, kept_step
from study.run.key_folder import CHECKPOINT, FORMAT_VERSION, KeyFolder
from study.run.snapshots import file_name


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


class BackboneStore:
    """A folder of backbones; several processes may read and write it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, recipe: Recipe) -> Backbone | None:
        """Return the backbone that a recipe asks for, or None if it is yet to be trained.

        A snapshot whose file is not what the record says was written is set aside, and said.
        """
        folder = self._folder(recipe)
        line = folder.find(recipe.training.train_images, recipe.ema.track)
        return None if line is None else _backbone(recipe, folder, line)

    def require(self, recipe: Recipe) -> Backbone:
        """Return the backbone that a recipe asks for, where none is to be trained.

        Raises:
            SnapshotUnavailable: it is missing or damaged; nothing of it is changed.
        """
        folder = self._folder(recipe)
        line = folder.require(recipe.training.train_images, recipe.ema.track)
        return _backbone(recipe, folder, line)

    def obtain(
        self,
        recipe: Recipe,
        dataset: ImageDataset,
        device: torch.device,
        on_progress: Progress,
        *,
        compiles: bool = False,
    ) -> Backbone:
        """Return a recipe's backbone, training it where it is missing, from its checkpoint on.

        Args:
            recipe: names it.
            dataset: to train on.
            device: where to train.
            on_progress: told the images seen.
            compiles: whether the network is compiled where that is repaid.

        Raises:
            TrainingDiverged: the loss became NaN or exploded; earlier snapshots stay.
        """
        if found := self.find(recipe):
            return found
        images, labels = dataset.train_images, dataset.train_labels
        folder, config = self._folder(recipe), recipe.training
        folder.path.mkdir(parents=True, exist_ok=True)
        checkpoint = folder.path / CHECKPOINT
        own = folder.path / f"checkpoint-{config.train_images}.safetensors"
        if kept_step(checkpoint) >= math.ceil(config.train_images / config.batch_size):
            checkpoint = own  # the other is a longer training's, which must not be lost
        keeper = CheckpointFile(checkpoint)
        snapshots = train(recipe, images, labels, device, on_progress, keeper, compiles=compiles)
        for snapshot in snapshots:
            line = {
                "train_seconds": round(snapshot.train_seconds, 3),
                "loss": snapshot.loss,
                "compiled": snapshot.compiled,
            }
            folder.write(snapshot.train_images, snapshot.tracks, line)
        own.unlink(missing_ok=True)
        found = self.find(recipe)
        if found is None:
            raise DataUnavailable(
                f"backbone {folder.path / str(config.train_images)} is damaged once more"
            )
        return found

    def _folder(self, recipe: Recipe) -> KeyFolder:
        path = self.root / recipe.backbone_key
        return KeyFolder(path, "backbone", lambda: _new_record(recipe))


def _backbone(recipe: Recipe, folder: KeyFolder, line: dict[str, Any]) -> Backbone:
    path = folder.path / str(recipe.training.train_images)
    return Backbone(recipe, path, float(line["train_seconds"]))


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
