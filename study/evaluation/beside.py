"""What a trial screens beside itself: other compressions of the backbone that it has at hand."""

import logging
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import nn

from diffusion.data import ImageDataset
from diffusion.errors import DataUnavailable
from diffusion.memory import is_out_of_memory
from diffusion.recipe import EmaConfig, Recipe, Track
from study.evaluation.context import TrialContext
from study.evaluation.screening import Screened, screen
from study.run.backbones import Backbone, BackboneStore
from study.run.key_folder import SnapshotUnavailable
from study.run.snapshots import kept_tracks

logger = logging.getLogger(__name__)


def screen_beside(
    recipe: Recipe, context: TrialContext, dataset: ImageDataset, device: torch.device
) -> list[dict[str, Any]]:
    """Screen what the context asks for, and return plain values of each.

    Where that breaks, what was found until then is returned, and a warning says so: the trial has
    its scores already, and another attempt would break alike.

    Args:
        recipe: of the trial, whose backbone is in the store.
        context: of the trial.
        dataset: that the backbone was trained on.
        device: to run the networks on.

    Raises:
        OSError: the disk is full.
        SnapshotUnavailable: a backbone is gone that is not to be trained.
    """
    store = BackboneStore(context.store_dir)

    def obtain(track: Track) -> Backbone | None:
        wanted = replace(recipe, ema=EmaConfig(track))
        return store.find(wanted) if context.run.trains else store.require(wanted)

    def load(track: Track) -> nn.Module:
        found = obtain(track)
        if found is None:
            raise DataUnavailable(f"backbone {recipe.backbone_key} is not in the store any more")
        return found.network()

    found: list[Screened] = []
    count = len(context.to_screen)
    try:
        own = obtain(recipe.ema.track)
        tracks = [] if own is None else kept_tracks(own.folder)
        for screened in screen(context.to_screen, load, dataset, device, tracks):
            found.append(screened)
            context.on_progress("screen", len(found) / count)
    except SnapshotUnavailable:
        raise
    except (MemoryError, RuntimeError, ValueError) as error:
        why = "memory ran out" if is_out_of_memory(error) else f"{type(error).__name__}: {error}"
        logger.warning("%d of %d compressions screened, then: %s", len(found), count, why)
    return [asdict(screened) for screened in found]
