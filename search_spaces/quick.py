"""The quick space: small backbones and their compressions, minutes on two cores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diffusion.recipe import DataConfig, Recipe
from search_spaces import knobs
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    import optuna

ARCHITECTURES = ("ncsn", "mini_ddpm")
WIDTHS = {"ncsn": ("16-32-64-128", "32-64-128-256"), "mini_ddpm": ("12-32", "24-64")}
GROUPS = (1, 2, 4)
# Each costs one core two to four minutes, where it is not stopped early.
TRAIN_IMAGES = {
    "16-32-64-128": 64_000,
    "32-64-128-256": 40_000,
    "12-32": 80_000,
    "24-64": 40_000,
}
FINETUNE_IMAGES = (0, 32_000)
SAMPLING_STEPS = (8, 10)


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


SPACE = SearchSpace(
    name="quick",
    suggest=suggest,
    covering=(),
    trials=24,
    reuse_share=0.75,
    fid_num_images=500,
    edition=7,
)
