"""Stored backbones for tests of the space that compresses them; none of them exists."""

from collections.abc import Sequence

from diffusion.recipe import DataConfig, NetworkConfig, Recipe, Track, TrainingConfig
from search_spaces.stored import StoredBackbone

DATA = DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef")
USUAL: tuple[Track, ...] = ("none", "short", "mid", "long")


def stored(
    width: int, tracks: Sequence[Track] = USUAL, *, conditional: bool = True
) -> StoredBackbone:
    network = NetworkConfig("mini_ddpm", (8, width), patch_size=2, conditional=conditional)
    decay = 0.99 if "exponential" in tracks else 0.0
    training = TrainingConfig(train_images=64, ema_decay=decay)
    nameless = StoredBackbone("0" * 16, network, training, tuple(tracks))
    recipe: Recipe = nameless.recipes(DATA)[0]
    return StoredBackbone(recipe.backbone_key, network, training, tuple(tracks))


BACKBONES = (
    stored(16),
    stored(24, conditional=False),
    stored(32, (*USUAL, "exponential")),
)
