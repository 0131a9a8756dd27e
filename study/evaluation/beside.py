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
from study.run.backbones import BackboneStore

logger = logging.getLogger(__name__)


def screen_beside(
    recipe: Recipe, context: TrialContext, dataset: ImageDataset, device: torch.device
) -> list[dict[str, Any]]:
    """Screen what the context asks for, and return plain values of each.

    Where memory runs out, what was found until then is returned, and a warning says so: the trial
    has its scores already.

    Args:
        recipe: of the trial, whose backbone is in the store.
        context: of the trial.
        dataset: that the backbone was trained on.
        device: to run the networks on.
    """

    def load(track: Track) -> nn.Module:
        found = BackboneStore(context.store_dir).find(replace(recipe, ema=EmaConfig(track)))
        if found is None:
            raise DataUnavailable(f"backbone {recipe.backbone_key} is not in the store any more")
        return found.network()

    found: list[Screened] = []
    count = len(context.to_screen)
    try:
        for screened in screen(context.to_screen, load, dataset, device):
            found.append(screened)
            context.on_progress("screen", len(found) / count)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        logger.warning("memory ran out after %d of %d screened compressions", len(found), count)
    return [asdict(screened) for screened in found]
