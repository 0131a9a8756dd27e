"""The compress space: every compression of backbones that are trained and stored; none is trained.

A knob's values may not change within a study, so backbones with other averages than the usual
ones have a knob of their own for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from diffusion.recipe import DataConfig, Quantization, Recipe, Track
from search_spaces import knobs
from search_spaces.space import SearchSpace, SpaceOptions, Value, refuse_row_options
from search_spaces.stored import StoredBackbone

if TYPE_CHECKING:
    import optuna

NAME = "compress"
KEY_KNOB, TRACK_KNOB = "backbone.key", "ema.track"
STEPS = (12, 18, 25)
FINETUNE_IMAGES = (0, 32_000)
FID_NUM_IMAGES = 1_000  # Two compressions of one backbone may lie close to each other.
TRIALS_BESIDE_COVERING = 16
# Track, quantization, pruning, length of the cool-down, guidance and steps.
Variant = tuple[Track, Quantization | float, knobs.Pruning, int, float, int]
_COOL = FINETUNE_IMAGES[-1]
# Of every backbone, the cheap ones first; a track that a backbone lacks is its first one.
VARIANTS: tuple[Variant, ...] = (
    ("short", "none", knobs.UNPRUNED, 0, 2.0, 18),
    ("short", 1.0, knobs.UNPRUNED, 0, 2.0, 18),
    ("mid", 0.7, knobs.UNPRUNED, 0, 2.5, 25),
    ("short", 1.4, knobs.UNPRUNED, 0, 1.5, 18),
    ("short", "weights8", knobs.UNPRUNED, 0, 2.0, 12),
    ("short", 1.0, ("l1", 0.2, "all"), 0, 2.0, 18),
    ("short", 2.0, knobs.UNPRUNED, _COOL, 2.0, 18),
    ("short", 2.8, knobs.UNPRUNED, _COOL, 2.0, 18),
    ("short", "none", knobs.UNPRUNED, _COOL, 2.0, 18),
    ("short", 2.0, ("channels_loss", 0.3, None), _COOL, 2.0, 18),
)


def space(options: SpaceOptions) -> SearchSpace:
    """Make the space of the backbones in the options.

    Raises:
        ValueError: there are none, or the options are of another kind of space.
    """
    refuse_row_options(NAME, options)
    backbones = {backbone.key: backbone for backbone in options.backbones}
    if not backbones:
        raise ValueError(f"space {NAME!r} has no backbones; allowed: a search with --store")

    def suggest(trial: optuna.Trial, data: DataConfig) -> Recipe:
        backbone = backbones[str(trial.suggest_categorical(KEY_KNOB, tuple(backbones)))]
        return _suggest(trial, backbone, data)

    rows = tuple(
        _row(backbone, *variant) for variant in VARIANTS for backbone in backbones.values()
    )
    return SearchSpace(
        name=NAME,
        suggest=suggest,
        covering=rows,
        trials=len(rows) + TRIALS_BESIDE_COVERING,
        reuse_share=1.0,
        fid_num_images=FID_NUM_IMAGES,
        edition=3,
    )


def _suggest(trial: optuna.Trial, backbone: StoredBackbone, data: DataConfig) -> Recipe:
    """Draw a compression of a backbone."""
    return Recipe(
        data=data,
        network=backbone.network,
        training=backbone.training,
        ema=knobs.ema(trial, backbone.tracks, _track_knob(backbone.tracks)),
        compression=knobs.compression(trial, FINETUNE_IMAGES, knobs.ALL_METHODS),
        sampling=knobs.sampling(trial, STEPS, labels=backbone.network.conditional),
    )


def _row(
    backbone: StoredBackbone,
    track: Track,
    quantization: Quantization | float,
    pruning: knobs.Pruning,
    finetune_images: int,
    guidance: float,
    steps: int,
) -> dict[str, Value]:
    """Return the knob values of one compression of a backbone."""
    row = knobs.variant_row({}, track, quantization, pruning, finetune_images, guidance, steps)
    del row[TRACK_KNOB]
    if not backbone.network.conditional:
        del row["sampling.guidance"]
    tracks = {_track_knob(backbone.tracks): _nearest(track, backbone.tracks)}
    return {KEY_KNOB: backbone.key, **row, **tracks}


def _track_knob(tracks: Sequence[Track]) -> str:
    """Return the name of the knob that draws from the tracks."""
    usual = set(tracks) == set(knobs.TRACKS)
    return TRACK_KNOB if usual else f"{TRACK_KNOB}.{'-'.join(tracks)}"


def _nearest(track: Track, tracks: Sequence[Track]) -> Track:
    return track if track in tracks else tracks[0]
