"""A trained backbone as a space holds it that compresses what is stored and trains none."""

import re
from dataclasses import dataclass

from diffusion.config import Config, choices
from diffusion.recipe import (
    DataConfig,
    EmaConfig,
    NetworkConfig,
    Recipe,
    SamplingConfig,
    Track,
    TrainingConfig,
)

_KEY = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class StoredBackbone(Config):
    """One snapshot of a training that a store holds.

    Attributes:
        key: of the backbone.
        training: how it was trained, up to the snapshot.
        tracks: averages that the snapshot has.
    """

    key: str
    network: NetworkConfig
    training: TrainingConfig
    tracks: tuple[Track, ...]

    def _check(self) -> None:
        self._require(_KEY.fullmatch(self.key) is not None, "key", "16 hexadecimal digits")
        ordered = tuple(track for track in choices(Track) if track in self.tracks)
        allowed = f"one or more of {', '.join(choices(Track))}, in this order"
        self._require(self.tracks == ordered != (), "tracks", allowed)

    def recipes(self, data: DataConfig) -> tuple[Recipe, ...]:
        """Return a recipe of the plain snapshot for each of its tracks, trained on the data."""
        plain = SamplingConfig(guidance=1.0)  # which a network without labels allows, too
        return tuple(
            Recipe(data, self.network, self.training, EmaConfig(track), sampling=plain)
            for track in self.tracks
        )
