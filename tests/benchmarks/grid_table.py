"""A recorded grid by formulas, so that replays can be tested without a training."""

import math
from typing import Any

from diffusion.recipe import DataConfig, Recipe
from search_spaces import load_space
from study.results.screenings import Screening

DATA = DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef")
TRAIN_SECONDS, COOL_DOWN_SECONDS = 100.0, 40.0
RUNG_SECONDS = {16_000: 30.0, 32_000: 60.0}
MACS = 1_000_000
DRAWING = {"generate_seconds": 2.0, "score_seconds": 1.0}
PARAMETERS = {"12-32": 86_000, "24-64": 400_000, "16-32-64-128": 300_000, "32-64-128-256": 1e6}


def grid_table(**changes: Any) -> dict[str, Any]:
    """Return a table of every row of the grid."""
    grid = load_space("quick-grid")
    rows = [(dict(row), grid.recipe(row, DATA)) for row in grid.covering]
    return {
        "conditions": {
            "space": "quick-grid",
            "data": {**vars(DATA)},
            **{"dataset": "mnist5k", "fid_num_images": 200, "threads": 1},
        },
        "backbones": {r.backbone_key: {"rungs": _rungs(r)} for _, r in rows},
        "trials": [
            {"key": r.key, "backbone_key": r.backbone_key, "knobs": knobs, "scores": scores(r)}
            for knobs, r in rows
        ],
        "screenings": [_screening(knobs, r).to_dict() for knobs, r in rows],
        **changes,
    }


def scores(recipe: Recipe) -> dict[str, Any]:
    """Return what a trial measured."""
    images = recipe.compression.finetune_images
    cooled = {"finetune_seconds": COOL_DOWN_SECONDS} if images else {}
    fid = 10.0 * (0.9 if images else 1 + 20 * _drift(recipe))
    fid *= 1 + recipe.network.groups / 10 + recipe.training.seed / 50
    common = {"size_bytes": _size(recipe), "train_seconds": TRAIN_SECONDS}
    return {"fid": fid, "fid_noise": 700.0, **common, **cooled, **DRAWING}


def _rungs(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Return what a training scored on its way: the wider and more grouped, the worse."""
    worse = 1 + _parameters(recipe) / 1e5 * recipe.network.groups**2
    return {
        str(images): {
            "fid": worse * 1e6 / images,
            "size_bytes": 3 * _parameters(recipe),
            "train_seconds": seconds,
            **DRAWING,
        }
        for images, seconds in RUNG_SECONDS.items()
    }


def _screening(knobs: dict[str, Any], recipe: Recipe) -> Screening:
    counts = {"macs": MACS, "parameters": _parameters(recipe), "nonzero_parameters": 1_000}
    return Screening(
        knobs,
        _drift(recipe),
        recipe.compression.finetune_images,
        {"size_bytes": _size(recipe), **counts},
    )


def _drift(recipe: Recipe) -> float:
    c = recipe.compression
    return 0.02 * c.quantization_step**2 + c.prune_ratio * (1 + (c.prune_method == "random"))


def _parameters(recipe: Recipe) -> int:
    return int(PARAMETERS["-".join(map(str, recipe.network.widths))] / recipe.network.groups)


def _size(recipe: Recipe) -> int:
    c = recipe.compression
    bits = {"none": 28.0, "weights8": 7.5}.get(c.quantization)
    bits = bits or 4.2 - 2.2 * math.log2(c.quantization_step)
    return int(_parameters(recipe) * bits / 8 * (1 - 0.8 * c.prune_ratio))
