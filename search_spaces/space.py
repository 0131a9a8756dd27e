"""What a search space is: how to draw a recipe, what to try first, and how much to spend."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import optuna

from diffusion.recipe import DataConfig, Recipe

Value = bool | int | float | str
# Knobs with this prefix shape the training; all others act on what was trained.
BACKBONE_PREFIX = "backbone."


@dataclass(frozen=True)
class SearchSpace:
    """A named search space.

    Attributes:
        name: as given to `--space`.
        suggest: draws a recipe for the data from an Optuna trial, one `suggest_*` call a knob.
        covering: knob values to try first, so that every level of every knob occurs.
        trials: how many trials a study has by default.
        reuse_share: after the covering design, a new backbone is proposed only while at least
            this share of all trials reuses one.
        fid_num_images: images that a trial is scored with.
    """

    name: str
    suggest: Callable[[optuna.Trial, DataConfig], Recipe]
    covering: Sequence[Mapping[str, Value]]
    trials: int
    reuse_share: float
    fid_num_images: int
