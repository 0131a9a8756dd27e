"""A recipe for tests, and others that differ from it in one field."""

from dataclasses import replace

from diffusion.recipe import (
    CompressionConfig,
    DataConfig,
    NetworkConfig,
    Recipe,
    SamplingConfig,
    TrainingConfig,
)

RECIPE = Recipe(
    data=DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef"),
    network=NetworkConfig(architecture="mini_ddpm", widths=(8, 16, 32, 64)),
    training=TrainingConfig(train_images=1_000, ema_decay=0.995),
    compression=CompressionConfig(prune_method="l1", prune_ratio=0.5),
    sampling=SamplingConfig(guidance=1.0),
)


def change(recipe, part, name, value):
    return replace(recipe, **{part: replace(getattr(recipe, part), **{name: value})})
