"""The mnist space: wider and longer, for hours on a few cores or a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diffusion.recipe import DataConfig, Recipe, TrainingConfig
from search_spaces import knobs
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    import optuna

ARCHITECTURES = ("ncsn", "mini_ddpm")
WIDTHS = {
    "ncsn": ("16-32-64-128", "24-48-96-192", "32-64-128-256", "48-96-192-384"),
    "mini_ddpm": ("16-32", "16-48", "24-64", "32-64", "32-96", "16-32-64", "32-64-128"),
}
GROUPS = (1, 2, 4, 8)
LEARNING_RATES = (1e-3, 2e-3)
BATCH_SIZES = (16, 64)
TRAIN_IMAGES = 1_000_000
FINETUNE_IMAGES = (0, 200_000)
SAMPLING_STEPS = (12, 18, 25)


def suggest(trial: optuna.Trial, data: DataConfig) -> Recipe:
    """Draw a recipe."""
    architecture: Any = trial.suggest_categorical("backbone.architecture", ARCHITECTURES)
    patch_size = 1
    if architecture == "mini_ddpm":
        patch_size = trial.suggest_categorical("backbone.mini_ddpm.patch_size", [1, 2])
    network = knobs.network(trial, architecture, WIDTHS[architecture], GROUPS, patch_size)
    learning_rate = trial.suggest_categorical("backbone.learning_rate", LEARNING_RATES)
    batch_size = trial.suggest_categorical("backbone.batch_size", BATCH_SIZES)
    training = TrainingConfig(
        train_images=TRAIN_IMAGES, learning_rate=learning_rate, batch_size=batch_size
    )
    return Recipe(
        data=data,
        network=network,
        training=training,
        ema=knobs.ema(trial),
        compression=knobs.compression(trial, FINETUNE_IMAGES, knobs.ALL_METHODS),
        sampling=knobs.sampling(trial, SAMPLING_STEPS),
    )


SPACE = SearchSpace(
    name="mnist",
    suggest=suggest,
    covering=(),
    trials=200,
    reuse_share=0.8,
    fid_num_images=1_000,
    edition=5,
)
