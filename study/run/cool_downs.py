"""Cool-downs by content, in the store of backbones: one that was trained trains nothing.

KEY/record.json                      what was trained on, from what, to which steps, and hashes
KEY/checkpoint.safetensors           from where it goes on, while it is trained
KEY/IMAGES/weights.safetensors       the averaged weights after its IMAGES images
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from diffusion.checkpointing import Progress
from diffusion.compress.uniform import Steps, covered_names, grid_step, round_values
from diffusion.config import checked
from diffusion.cool_down import cool_down
from diffusion.data import ImageDataset
from diffusion.device import device_of
from diffusion.errors import DataUnavailable
from diffusion.networks import build_network
from diffusion.recipe import Recipe
from study.run.checkpoints import CheckpointFile
from study.run.files import locked, write_json
from study.run.key_folder import CHECKPOINT, FORMAT_VERSION, RECORD, KeyFolder
from study.run.snapshots import file_name

LEAST_STEP = 1e-30  # Damage: weights are float32.
TRACK = "none"  # The file's name says that these are the weights, of which there is no choice.


@dataclass(frozen=True)
class KeptCoolDown:
    """One stored cool-down.

    Attributes:
        file: its weights.
        steps: of quantization `uniform`, whose multiples they are; else None.
        train_seconds: wall time that it took, whoever ran it.
    """

    file: Path
    steps: Steps | None
    train_seconds: float

    def load_into(self, network: nn.Module) -> None:
        """Give a network the weights.

        Raises:
            DataUnavailable: the file is not as it was when the cool-down was found.
        """
        try:
            network.load_state_dict(safetensors.torch.load_file(self.file))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise DataUnavailable(f"cool-down {self.file} cannot be read ({error})") from error


class CoolDownStore:
    """The cool-downs in a folder of backbones; several processes may read and write it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, recipe: Recipe) -> KeptCoolDown | None:
        """Return the cool-down that a recipe asks for, or None if it is yet to be trained."""
        folder, images = self._folder(recipe), recipe.compression.finetune_images
        line = folder.find(images, TRACK)
        if line is None:
            return None
        file = folder.path / str(images) / file_name(TRACK)
        return KeptCoolDown(file, line.get("steps"), float(line["train_seconds"]))

    def obtain(
        self,
        recipe: Recipe,
        network: nn.Module,
        load_teacher: Callable[[], nn.Module],
        allot: Callable[[], Steps],
        dataset: ImageDataset,
        on_progress: Progress,
    ) -> KeptCoolDown:
        """Return a recipe's cool-down, training it where it is missing, from its checkpoint on.

        Args:
            recipe: names it.
            network: pruned, on the device to train on; its weights move where it is trained.
            load_teacher: returns the uncompressed network.
            allot: returns the steps of quantization `uniform` for the pruned network.
            dataset: to train on.
            on_progress: told the images seen, where it is trained.

        Raises:
            TrainingDiverged: the loss became NaN or exploded.
        """
        if found := self.find(recipe):
            return found
        folder, compression = self._folder(recipe), recipe.compression
        folder.path.mkdir(parents=True, exist_ok=True)
        steps = None
        if compression.quantization == "uniform":
            steps = _settle_steps(folder, allot, network)
        device = device_of(network)
        teacher = load_teacher().to(device) if compression.finetune_teacher else None
        checkpoint = folder.path / CHECKPOINT
        for end in cool_down(
            network,
            recipe,
            dataset.train_images,
            dataset.train_labels,
            steps=steps,
            teacher=teacher,
            on_progress=on_progress,
            keeper=CheckpointFile(checkpoint),
        ):
            line = {
                "train_seconds": round(end.train_seconds, 3),
                "loss": end.loss,
                "steps": steps,
            }
            folder.write(compression.finetune_images, {TRACK: end.state}, line)
        checkpoint.unlink(missing_ok=True)
        found = self.find(recipe)
        if found is None:
            raise DataUnavailable(f"cool-down {folder.path} is damaged once more")
        return found

    def _folder(self, recipe: Recipe) -> KeyFolder:
        path = self.root / recipe.cool_down_key
        return KeyFolder(
            path,
            "cool-down",
            lambda: _new_record(recipe),
            lambda file, line: _has_its_steps(recipe, file, line.get("steps")),
        )


def _has_its_steps(recipe: Recipe, file: Path, steps: Any) -> bool:
    """Whether a record's steps are those that the weights in a file are multiples of."""
    if recipe.compression.quantization != "uniform":
        return steps is None
    usable = _checked_steps(steps, covered_names(build_network(recipe.network, recipe.data)))
    if usable is None:
        return False
    try:
        state = safetensors.torch.load_file(file)
        return all(torch.equal(state[n], round_values(state[n], s)) for n, s in usable.items())
    except (OSError, SafetensorError, LookupError):
        return False


def _settle_steps(folder: KeyFolder, allot: Callable[[], Steps], network: nn.Module) -> Steps:
    """Return the steps that the first to train it took: a training goes on with the same ones."""
    with locked(folder.path):
        kept = _checked_steps(folder.record().get("steps"), covered_names(network))
    if kept is not None:
        return kept
    steps = dict(allot())
    with locked(folder.path):
        record = folder.record()
        kept = _checked_steps(record.get("steps"), covered_names(network))
        if kept is None:
            write_json(folder.path / RECORD, {**record, "steps": steps})
    return kept or steps


def _checked_steps(values: Any, names: list[str]) -> Steps | None:
    """Return steps that a record holds; None where it holds none that can be used."""
    try:
        steps: dict[str, float] = checked("steps", values, dict[str, float])
    except (ValueError, TypeError):
        return None
    usable = all(
        LEAST_STEP < step < 1 / LEAST_STEP and step == grid_step(step) for step in steps.values()
    )
    return steps if usable and steps.keys() == set(names) else None


def _new_record(recipe: Recipe) -> dict[str, Any]:
    values = recipe.to_dict()
    return {
        "format": FORMAT_VERSION,
        "what": "cool-down of a backbone",
        "key": recipe.cool_down_key,
        "backbone_key": recipe.backbone_key,
        "train_images": recipe.training.train_images,
        "track": recipe.ema.track,
        "compression": values["compression"],
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "snapshots": {},
    }
