"""The quick-grid space: every combination of a few levels of knobs, on twelve small backbones.

A study of it is a table on which searches can be replayed in seconds (`python -m study.record`).
Its backbones have the published conditioning.
"""

from itertools import product
from typing import Any

import optuna

from diffusion.recipe import (
    DataConfig,
    NetworkConfig,
    PruneMethod,
    PruneRegion,
    Quantization,
    Recipe,
    Track,
    TrainingConfig,
)
from search_spaces import knobs, quick
from search_spaces.space import SearchSpace, Value

TRACKS: tuple[Track, ...] = ("short", "mid")
QUANTIZATIONS: tuple[Quantization, ...] = ("none", "weights8", "linear4")
METHODS: tuple[PruneMethod, ...] = ("l1", "random")
RATIOS = (0.2, 0.5)
REGIONS: tuple[PruneRegion, ...] = ("all", "middle")
_KNOBS = {
    *("backbone.architecture", "backbone.ncsn.widths", "backbone.mini_ddpm.widths"),
    *("backbone.groups", "ema.track", "compression.quantization", "compression.prune_method"),
    *("compression.prune_ratio", "compression.prune_region"),
}


def suggest(trial: optuna.Trial, data: DataConfig) -> Recipe:
    """Draw a recipe."""
    architecture: Any = trial.suggest_categorical("backbone.architecture", quick.ARCHITECTURES)
    widths = knobs.widths(trial, architecture, quick.WIDTHS[architecture])
    network = NetworkConfig(
        architecture=architecture,
        widths=knobs.parse_widths(widths),
        groups=knobs.groups(trial, quick.GROUPS),
        patch_size=2 if architecture == "mini_ddpm" else 1,
        embedding_scale=1.0,
    )
    training = TrainingConfig(train_images=quick.TRAIN_IMAGES[widths])
    ema = knobs.ema(trial)
    compression = knobs.compression(trial, quantizations=knobs.CODEBOOKS)
    return Recipe(data, network, training, ema, compression)


def _backbone(architecture: str, widths: str, groups: int) -> dict[str, Value]:
    row = knobs.backbone_row(architecture, widths, groups)
    return {name: value for name, value in row.items() if name in _KNOBS}


def _row(
    backbone: dict[str, Value],
    track: Track,
    quantization: Quantization,
    pruning: knobs.Pruning = knobs.UNPRUNED,
) -> dict[str, Value]:
    row = knobs.variant_row(backbone, track, quantization, pruning)
    return {name: value for name, value in row.items() if name in _KNOBS}


def _rows() -> tuple[dict[str, Value], ...]:
    """Return the trainings first, then what reuses them."""
    backbones = [
        _backbone(architecture, widths, groups)
        for architecture in quick.ARCHITECTURES
        for widths in quick.WIDTHS[architecture]
        for groups in quick.GROUPS
    ]
    variants = list(product(TRACKS, QUANTIZATIONS))
    plain = [[_row(backbone, *variant) for backbone in backbones] for variant in variants]
    pruned = [
        _row(backbone, *variant, pruning)
        for variant in variants
        for pruning in product(METHODS, RATIOS, REGIONS)
        for backbone in backbones
    ]
    return (*(row for rows in plain for row in rows), *pruned)


_MINI = _backbone("mini_ddpm", "24-64", 1)
_MINI_GROUPED = _backbone("mini_ddpm", "24-64", 2)
_TINY = _backbone("mini_ddpm", "12-32", 1)
_TINY_GROUPED = _backbone("mini_ddpm", "12-32", 2)
_NCSN = _backbone("ncsn", "16-32-64-128", 1)
_NCSN_GROUPED = _backbone("ncsn", "32-64-128-256", 4)

# With this design searches are replayed: every level of every knob, on six backbones.
DESIGN = (
    _row(_TINY, "short", "weights8"),
    _row(_TINY_GROUPED, "short", "weights8"),
    _row(_TINY, "mid", "weights8", ("l1", 0.5, "middle")),
    _row(_TINY_GROUPED, "mid", "weights8", ("l1", 0.5, "middle")),
    _row(_TINY_GROUPED, "short", "weights8", ("l1", 0.2, "all")),
    _row(_TINY, "short", "linear4", ("random", 0.3, "extremes")),
    _row(_MINI, "short", "none"),
    _row(_MINI_GROUPED, "short", "weights8"),
    _row(_NCSN, "short", "linear8"),
    _row(_NCSN_GROUPED, "mid", "weights8"),
    _row(_MINI, "mid", "weights8"),
    _row(_MINI, "mid", "weights8", ("l1", 0.2, "middle")),
    _row(_MINI_GROUPED, "short", "weights8", ("l1", 0.1, "all")),
    _row(_NCSN, "short", "weights8"),
    _row(_MINI, "long", "linear4", ("l1", 0.4, "middle")),
    _row(_NCSN, "none", "weights8", ("l1", 0.6, "extremes")),
    _row(_MINI_GROUPED, "none", "linear8", ("random", 0.5, "middle")),
    _row(_NCSN_GROUPED, "long", "linear4", ("random", 0.7, "all")),
)


_ROWS = _rows()

SPACE = SearchSpace(
    name="quick-grid",
    suggest=suggest,
    covering=_ROWS,
    trials=len(_ROWS),
    reuse_share=0.75,
    fid_num_images=200,
)
