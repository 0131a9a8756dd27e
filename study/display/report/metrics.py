"""The figures that a report can show: in its plots, its table and its cards."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from study.results.objectives import OBJECTIVES

DIGITS = 6  # significant ones, of a figure in a page


@dataclass(frozen=True)
class Metric:
    """A figure of a trial.

    Attributes:
        name: of the score.
        title: as a person reads it.
        kind: how it is written: bytes, count, number, share, seconds or whole.
        drawn: whether it can be an axis.
    """

    name: str
    title: str
    kind: str
    drawn: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return it as the page has it."""
        objective = OBJECTIVES.get(self.name)
        maximize = objective is not None and objective.maximize
        return {**asdict(self), "aim": objective is not None, "maximize": maximize}


METRICS = (
    Metric("fid", "FID", "number"),
    Metric("size_bytes", "size", "bytes"),
    Metric("latency_ms", "ms an image", "number"),
    Metric("onnx_latency_ms", "ms an image in onnxruntime", "number"),
    Metric("macs", "MACs a network call", "count"),
    Metric("parameters", "parameters", "count"),
    Metric("nonzero_parameters", "parameters that are not 0", "count"),
    Metric("fid_held_out", "FID, held-out images", "number"),
    Metric("fid_infinity", "FID, extrapolated to any number of images", "number"),
    Metric("kid", "KID", "number"),
    Metric("precision", "precision", "share"),
    Metric("recall", "recall", "share"),
    Metric("label_agreement", "label agreement", "share"),
    Metric("label_balance", "label balance", "share", drawn=False),
    Metric("ssim", "SSIM between images of a label", "number", drawn=False),
    Metric("nearest_train_distance", "distance to training images", "number", drawn=False),
    Metric("gzip_state_dict_bytes", "gzipped state dict", "bytes", drawn=False),
    Metric("train_images", "images trained on", "count"),
    Metric("train_seconds", "training", "seconds"),
    Metric("finetune_seconds", "cool-down", "seconds", drawn=False),
    Metric("drift", "drift of a screened compression", "number"),
    Metric("trial", "trial", "whole"),
)


def figures(scores: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of a trial's scores that are finite numbers, rounded for the page."""
    found = {metric.name: figure(scores.get(metric.name)) for metric in METRICS}
    return {name: value for name, value in found.items() if value is not None}


def figure(value: Any) -> float | None:
    """Return a finite number with few digits; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value if isinstance(value, int) else float(f"{value:.{DIGITS}g}")
