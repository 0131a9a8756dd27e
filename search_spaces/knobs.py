"""Knobs that search spaces share: each draws one part of a recipe from an Optuna trial."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import optuna

from diffusion.config import choices
from diffusion.recipe import (
    CompressionConfig,
    EmaConfig,
    PruneMethod,
    PruneRegion,
    Quantization,
    Track,
)
from search_spaces.space import Value

CODEBOOKS: tuple[Quantization, ...] = ("none", "linear8", "linear4", "weights8")
TRACKS: tuple[Track, ...] = ("none", "short", "mid", "long")
# Method, ratio and region.
SWEPT_PRUNINGS: tuple[tuple[PruneMethod, float | None, PruneRegion | None], ...] = (
    ("none", None, None),
    ("l1", 0.1, "all"),
    ("l1", 0.2, "middle"),
)


def widths(trial: optuna.Trial, architecture: str, options: Sequence[str]) -> str:
    """Draw channel counts, written like "32-64-128-256"; each architecture has its own knob."""
    return str(trial.suggest_categorical(f"backbone.{architecture}.widths", options))


def parse_widths(text: str) -> tuple[int, ...]:
    """Read channel counts, written like "32-64-128-256"."""
    return tuple(int(width) for width in text.split("-"))


def groups(trial: optuna.Trial, options: Sequence[int]) -> int:
    """Draw the groups of the convolutions."""
    return int(trial.suggest_categorical("backbone.groups", options))


def ema(trial: optuna.Trial) -> EmaConfig:
    """Draw the average of the trajectory that becomes the model."""
    track: Any = trial.suggest_categorical("ema.track", TRACKS)
    return EmaConfig(track)


def compression(trial: optuna.Trial) -> CompressionConfig:
    """Draw pruning and quantization; ratio and region exist only where something is pruned."""
    quantization: Any = trial.suggest_categorical("compression.quantization", CODEBOOKS)
    method: Any = trial.suggest_categorical("compression.prune_method", choices(PruneMethod))
    ratio: float = 0.0
    region: Any = "all"
    if method != "none":
        ratio = trial.suggest_float("compression.prune_ratio", 0.1, 0.7, step=0.1)
        region = trial.suggest_categorical("compression.prune_region", choices(PruneRegion))
    return CompressionConfig(
        prune_method=method,
        prune_ratio=round(ratio, 1),  # 0.30000000000000004 is 0.3
        prune_region=region,
        quantization=quantization,
    )


def backbone_row(architecture: str, widths: str, groups: int) -> dict[str, Value]:
    """Return the knob values of one backbone, for a covering design."""
    return {
        "backbone.architecture": architecture,
        f"backbone.{architecture}.widths": widths,
        "backbone.groups": groups,
    }


def variant_row(
    backbone: dict[str, Value],
    track: Track,
    quantization: Quantization,
    prune_method: PruneMethod = "none",
    prune_ratio: float | None = None,
    prune_region: PruneRegion | None = None,
) -> dict[str, Value]:
    """Return the knob values of one compression of a backbone, for a covering design."""
    row: dict[str, Value] = {
        **backbone,
        "ema.track": track,
        "compression.quantization": quantization,
        "compression.prune_method": prune_method,
    }
    if prune_ratio is not None and prune_region is not None:
        row["compression.prune_ratio"] = prune_ratio
        row["compression.prune_region"] = prune_region
    return row


def sweep() -> tuple[dict[str, Value], ...]:
    """Return every track with every quantization, unpruned and with each of a few prunings."""
    return tuple(
        variant_row({}, track, quantization, *pruning)
        for pruning in SWEPT_PRUNINGS
        for track, quantization in product(TRACKS, CODEBOOKS)
    )
