"""Rows: complete trials as the columns of the front's tables.

A column that has no value, as scores of older versions have not all, holds None.
"""

from dataclasses import replace
from typing import Any

from study.results.records import TrialRecord
from study.results.words import name_cool_down, name_quantization, name_recipe

# A trial of the front, or near it, by column; of a published table a row is space.Row.
FrontRow = dict[str, Any]

SCORE_COLUMNS = (
    "parameters",
    "nonzero_parameters",
    "macs",
    "size_bytes",
    "gzip_state_dict_bytes",
    "fid",
    "fid_held_out",
    "fid_num_images",
    "fid_low",
    "fid_high",
    "latency_ms",
    "train_images",
    "train_seconds",
)
# New columns are added at the end.
LATER_SCORE_COLUMNS = (
    "label_agreement",
    "fid_noise",
    "label_balance",
    "ssim",
    "train_ms_per_epoch",
    "fid_floor",
    "fid_infinity",
    "kid",
    "kid_deviation",
    "precision",
    "recall",
    "nearest_train_distance",
    "num_images_floor",
)
# Of trials that were scored again, and some that were trained again.
VERIFIED_COLUMNS = (
    "verified_seeds",
    "front_probability",
    "trainings",
    "fid_trainings_deviation",
    "fid_samples_deviation",
)
# The score of those whose latency was measured with nothing else running; it is no column.
TIMED_ALONE = "timed_alone"
# Measured only where a study aims at it or limits it.
ONNX_COLUMNS = ("onnx_latency_ms",)
# In the order in which they came to be.
LATEST_COLUMNS = (*LATER_SCORE_COLUMNS, *VERIFIED_COLUMNS, "package_sha256", "finetune_seconds")
# Of a verified trial's scores: the search's own of those that were scored again.
SEARCHED = "searched"
# Of the recipe's compression; they came to be after all these scores.
KNOB_COLUMNS = ("quantization_step", "finetune_images", "finetune_teacher")

# Those of `as_row`, in its order.
ROW_COLUMNS = (
    *("trial", "architecture", "groups", "ema"),
    *("prune_method", "prune_region", "prune_ratio", "quantization"),
    *SCORE_COLUMNS,
    *("backbone_key", "package_path", "widths"),
    *LATEST_COLUMNS,
    *KNOB_COLUMNS,
    "guidance",
    *ONNX_COLUMNS,
)
# What a table of all trials says of each before those.
TRIAL_COLUMNS = ("trial", "outcome", "on_front", "model", "reason", "wall_seconds")


def as_row(record: TrialRecord, package_path: str | None = None) -> FrontRow:
    """Return a complete trial as a flat row of the front's columns.

    Args:
        record: of the trial.
        package_path: of its model file, from the run's folder on, where it is on the front.

    Raises:
        ValueError: the trial has no scores.
    """
    if record.recipe is None or record.scores is None:
        raise ValueError(f"trial {record.number} is {record.state}; allowed: a complete one")
    recipe, compression = record.recipe, record.recipe.compression
    return {
        "trial": record.number,
        "architecture": recipe.network.architecture,
        "groups": recipe.network.groups,
        "ema": recipe.ema.track,
        "prune_method": compression.prune_method,
        "prune_region": compression.prune_region,
        "prune_ratio": compression.prune_ratio,
        "quantization": compression.quantization,
        **{name: record.scores.get(name) for name in SCORE_COLUMNS},
        "backbone_key": recipe.backbone_key,
        "package_path": package_path,
        "widths": "-".join(map(str, recipe.network.widths)),
        **{name: record.scores.get(name) for name in LATEST_COLUMNS},
        **{name: getattr(compression, name) for name in KNOB_COLUMNS},
        "guidance": recipe.sampling.guidance,
        **{name: record.scores.get(name) for name in ONNX_COLUMNS},
    }


def trial_row(record: TrialRecord, *, on_front: bool) -> dict[str, Any]:
    """Return a trial as a row: how it ended, and of `as_row` what is known of it.

    Args:
        record: of a trial that has begun.
        on_front: whether it is on the front.
    """
    recipe = record.recipe
    known = {} if recipe is None else as_row(replace(record, scores=record.scores or {}))
    return {
        **dict.fromkeys((*TRIAL_COLUMNS, *ROW_COLUMNS)),
        **known,
        "trial": record.number,
        "outcome": record.outcome,
        "on_front": on_front,
        "model": None if recipe is None else name_recipe(recipe),
        "reason": record.reason,
        "wall_seconds": record.wall_seconds,
    }


def quantization(row: FrontRow) -> str:
    """Say how a row's weights were rounded and trained on: none, weights8, uniform 1.2 +32k."""
    words = name_quantization(row["quantization"], row["quantization_step"])
    if not row["finetune_images"]:
        return words
    return f"{words} {name_cool_down(row['finetune_images'], row['finetune_teacher'])}"


def drawn_images(row: FrontRow) -> str:
    """Say how many images a row's FID is of: 500 images, or 3 x 1,000 images once verified.

    Older scores do not tell.
    """
    count = row["fid_num_images"]
    images = "images" if count is None else f"{count:,} images"
    return f"{row['verified_seeds']} x {images}" if row["verified_seeds"] else images


def real_images(row: FrontRow) -> str:
    """Say how many images a row's `fid_floor` is of: 1,000 real images.

    There may be fewer than were drawn, where the data has no more; older scores do not tell.
    """
    count = row["num_images_floor"]
    return "real images" if count is None else f"{count:,} real images"
