"""A hand-made design of the quick space on the levels of the grid, so that a replay can judge it.

It was arranged on runs of the quick space, never on a recorded grid: each of its rows becomes the
nearest row that the grid has, by a rule, and what becomes the same row is there once.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.hand_made import HAND_MADE
from search_spaces import knobs, quick_grid
from search_spaces.space import Value


def nearest_rows(rows: Sequence[Mapping[str, Value]] = HAND_MADE) -> list[dict[str, Value]]:
    """Return the grid's rows nearest to some of the quick space, in order, without seeds."""
    nearest: list[dict[str, Value]] = []
    for row in rows:
        found = _nearest(row)
        if found not in nearest:
            nearest.append(found)
    return nearest


def _nearest(row: Mapping[str, Any]) -> dict[str, Value]:
    architecture = row["backbone.architecture"]
    widths = row[f"backbone.{architecture}.widths"]
    backbone = quick_grid.backbone_row(architecture, widths, row["backbone.groups"])
    method, ratio = row["compression.prune_method"], 0.0
    if method != "none":
        ratio = _closest(row["compression.prune_ratio"], quick_grid.RATIOS)
    cools = row["compression.finetune_images"] > 0
    images = quick_grid.FINETUNE_IMAGES[-1] if cools else 0
    return quick_grid.variant_row(backbone, _storage(row), method, ratio, images)


def _storage(row: Mapping[str, Any]) -> Any:
    """Return the step or the name of a storage; all codebooks are as that of 8 bits."""
    quantization = row["compression.quantization"]
    if quantization == "uniform":
        return _closest(row[knobs.STEP_KNOB], quick_grid.STEPS)
    return quantization if quantization in quick_grid.QUANTIZATIONS else "weights8"


def _closest(value: float, levels: Sequence[float]) -> float:
    return min(levels, key=lambda level: abs(math.log(level / value)))
