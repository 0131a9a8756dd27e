"""The quick space: about six small backbones and their compressions, minutes on two cores."""

from typing import Any

import optuna

from diffusion.recipe import DataConfig, Recipe
from search_spaces import knobs
from search_spaces.space import SearchSpace

ARCHITECTURES = ("ncsn", "mini_ddpm")
WIDTHS = {"ncsn": ("16-32-64-128", "32-64-128-256"), "mini_ddpm": ("12-32", "24-64")}
GROUPS = (1, 2, 4)
# Each costs one core two to four minutes, where it is not stopped early.
TRAIN_IMAGES = {
    "16-32-64-128": 64_000,
    "32-64-128-256": 40_000,
    "12-32": 60_000,
    "24-64": 40_000,
}
FINETUNE_IMAGES = (0, 32_000)
SAMPLING_STEPS = (12, 18)


def suggest(trial: optuna.Trial, data: DataConfig) -> Recipe:
    """Draw a recipe."""
    architecture: Any = trial.suggest_categorical("backbone.architecture", ARCHITECTURES)
    patch_size = 2 if architecture == "mini_ddpm" else 1
    network = knobs.network(trial, architecture, WIDTHS[architecture], GROUPS, patch_size)
    return Recipe(
        data=data,
        network=network,
        training=knobs.training(TRAIN_IMAGES["-".join(map(str, network.widths))]),
        ema=knobs.ema(trial),
        compression=knobs.compression(trial, FINETUNE_IMAGES),
        sampling=knobs.sampling(trial, SAMPLING_STEPS),
    )


_MINI = knobs.backbone_row("mini_ddpm", "24-64", 1)
_TINY_PUBLISHED = knobs.backbone_row("mini_ddpm", "12-32", 2, "published")
_TINY = knobs.backbone_row("mini_ddpm", "12-32", 1)
_TINY_GROUPED = knobs.backbone_row("mini_ddpm", "12-32", 4)
_NCSN = knobs.backbone_row("ncsn", "16-32-64-128", 1)
_NCSN_GROUPED = knobs.backbone_row("ncsn", "32-64-128-256", 4)
_COOL = FINETUNE_IMAGES[-1]

# Every level of every knob, on six backbones. The small ones with one group come first, with
# their variants: they are trained soonest and cover most of the front.
COVERING = (
    knobs.variant_row(_TINY, "short", "weights8"),
    knobs.variant_row(_MINI, "short", 1.0),
    knobs.variant_row(_TINY, "short", 0.6),
    knobs.variant_row(_TINY, "short", 1.0, finetune_images=_COOL),
    knobs.variant_row(_TINY, "short", 2.2, finetune_images=_COOL),
    knobs.variant_row(_TINY, "mid", "weights8"),
    knobs.variant_row(_TINY, "short", 1.6, finetune_images=_COOL),
    knobs.variant_row(_TINY, "short", "none"),
    knobs.variant_row(_TINY, "short", 2.8, finetune_images=_COOL),
    knobs.variant_row(_TINY, "short", 1.0, ("l1", 0.2, "all")),
    knobs.variant_row(_TINY, "mid", 0.7, guidance=2.5, steps=18),
    knobs.variant_row(_TINY, "short", "linear4", ("random", 0.3, "extremes")),
    knobs.variant_row(_TINY_GROUPED, "short", 0.7),
    knobs.variant_row(_TINY_GROUPED, "mid", "weights8", ("l1", 0.5, "middle"), guidance=2.5),
    knobs.variant_row(_NCSN, "short", "weights8", guidance=1.5),
    knobs.variant_row(_TINY_PUBLISHED, "short", 1.4),
    knobs.variant_row(_TINY, "none", "linear8", guidance=3.0),
    knobs.variant_row(_NCSN_GROUPED, "mid", "weights8"),
    knobs.variant_row(_TINY, "long", "linear4", ("l1", 0.4, "middle")),
    knobs.variant_row(_NCSN, "none", "weights8", ("l1", 0.6, "extremes")),
    knobs.variant_row(_TINY_PUBLISHED, "none", 1.0, ("l1", 0.1, "all")),
    knobs.variant_row(_NCSN_GROUPED, "long", "linear4", ("random", 0.7, "all")),
)

SPACE = SearchSpace(
    name="quick",
    suggest=suggest,
    covering=COVERING,
    trials=24,
    reuse_share=0.75,
    fid_num_images=500,
    edition=5,
)
