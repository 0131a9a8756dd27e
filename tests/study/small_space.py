"""A space file of small networks, trained for real in seconds."""

from pathlib import Path

TEXT = """
from diffusion.recipe import CompressionConfig, NetworkConfig, Recipe, SamplingConfig
from diffusion.recipe import TrainingConfig

def suggest(trial, data):
    groups = trial.suggest_categorical("backbone.groups", [1, 2, 4])
    images = trial.suggest_categorical("compression.finetune_images", [0, 17_000])
    return Recipe(
        data=data,
        network=NetworkConfig("mini_ddpm", (8, 16), groups=groups, patch_size=2),
        training=TrainingConfig(train_images=17_000, batch_size=32, learning_rate=3e-3),
        compression=CompressionConfig(
            quantization="uniform", quantization_step=1.2, finetune_images=images
        ),
        sampling=SamplingConfig(steps=6),
    )
"""


def small_space(folder: Path) -> list[str]:
    """Write it into a folder and return the arguments that search it."""
    (folder / "small.py").write_text(TEXT)
    return ["--space", str(folder / "small.py")]
