"""The space of any data set, grey or colour, 16 to 64 pixels a side, in patches to match."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diffusion.recipe import DataConfig, Recipe
from search_spaces import knobs
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    import optuna

WIDTHS = {
    "mini_ddpm": ("12-32", "24-64", "32-96", "16-32-64", "32-64-128"),
    "ncsn": ("16-32-64-128", "32-64-128-256"),
}
# A side; it has no patches, so that larger images cost too much, and four levels.
NCSN_PIXELS = range(25, 33)
GROUPS = (1, 2, 4)
PATCH_SIZES = (1, 2, 4)
FEWEST_PATCHES, MOST_PATCHES = 8, 16  # Along a side.
TRAIN_IMAGES = 100_000
FINETUNE_IMAGES = (0, 50_000)
SAMPLING_STEPS = (12, 18, 25)


def patch_sizes(image_size: int) -> tuple[int, ...]:
    """Return patches that cut an image into 8 to 16 a side, or else the largest that fit."""
    fitting = [patch for patch in PATCH_SIZES if image_size % patch == 0]
    good = [p for p in fitting if FEWEST_PATCHES <= image_size // p <= MOST_PATCHES]
    return tuple(good or fitting[-1:])


def suggest(trial: optuna.Trial, data: DataConfig) -> Recipe:
    """Draw a recipe."""
    options = tuple(WIDTHS) if data.image_size in NCSN_PIXELS else ("mini_ddpm",)
    architecture: Any = trial.suggest_categorical("backbone.architecture", options)
    patch_size = 1
    if architecture == "mini_ddpm":
        patch_size = trial.suggest_categorical("backbone.patch_size", patch_sizes(data.image_size))
    network = knobs.network(trial, architecture, WIDTHS[architecture], GROUPS, patch_size)
    return Recipe(
        data=data,
        network=network,
        training=knobs.training(TRAIN_IMAGES),
        ema=knobs.ema(trial),
        compression=knobs.compression(trial, FINETUNE_IMAGES),
        sampling=knobs.sampling(trial, SAMPLING_STEPS),
    )


SPACE = SearchSpace(
    name="images",
    suggest=suggest,
    covering=(),
    trials=40,
    reuse_share=0.8,
    fid_num_images=1_000,
    edition=2,
)
