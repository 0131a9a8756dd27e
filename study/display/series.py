"""What a front's picture shows: its trials, grouped into those that look alike."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from study.results.limits import OVER_A_LIMIT
from study.results.records import TrialRecord
from study.results.rows import FrontRow, as_row
from study.run.run import Run

MARKERS = {"ncsn": "o", "mini_ddpm": "s"}
COLOURS = {
    "none": "#444444",
    "linear8": "#1f77b4",
    "linear4": "#9467bd",
    "weights8": "#d95f02",
    "uniform": "#2ca02c",
}
OTHER_MARKER, OTHER_COLOUR, PALE = "D", "#222222", "#999999"


@dataclass(frozen=True)
class Series:
    """Trials that look alike.

    Attributes:
        label: of its line in the legend.
        rows: values of the trials, by the names of scores.
        style: how their markers are drawn.
    """

    label: str
    rows: Sequence[FrontRow]
    style: dict[str, Any]


def series_of(run: Run) -> list[Series]:
    """Return a run's trials that have scores, whole or stopped early, in the legend's order."""
    complete = [(record.feasible, as_row(record)) for record in run.complete()]
    kept = [row for feasible, row in complete if feasible]
    over = [row for feasible, row in complete if not feasible]
    series = [*_kept_series(kept), *_stopped_series(run.records)]
    if over:
        series.append(Series(OVER_A_LIMIT, over, {"marker": "x", "color": PALE}))
    return series


def places(rows: Sequence[FrontRow], x: str, y: str) -> np.ndarray:
    """Return where rows stand, [num_rows, 2]; those without both values are left out."""
    pairs = [(row.get(x), row.get(y)) for row in rows]
    found = [pair for pair in pairs if all(v is not None and math.isfinite(v) for v in pair)]
    return np.array(found, dtype=np.float64).reshape(-1, 2)


def _kept_series(rows: Sequence[FrontRow]) -> list[Series]:
    architectures = sorted({row["architecture"] for row in rows})
    quantizations = sorted({row["quantization"] for row in rows})
    series = []
    for pair in product(architectures, quantizations):
        chosen = [row for row in rows if (row["architecture"], row["quantization"]) == pair]
        architecture, quantization = pair
        style = {
            "marker": MARKERS.get(architecture, OTHER_MARKER),
            "color": COLOURS.get(quantization, OTHER_COLOUR),
            "alpha": 0.75,
        }
        verified = [row for row in chosen if row["verified_seeds"]]
        if verified:  # FIDs of another number of images do not compare with them: they are pale
            chosen = [row for row in chosen if not row["verified_seeds"]]
            series.append(Series(f"{architecture}, {quantization}", verified, style))
        if chosen:
            # A label with a dash before it is in no legend.
            label = f"{'_' if verified else ''}{architecture}, {quantization}"
            pale = {"alpha": 0.25} if any(row["verified_seeds"] for row in rows) else {}
            series.append(Series(label, chosen, {**style, **pale}))
    return series


def _stopped_series(records: Sequence[TrialRecord]) -> list[Series]:
    """Return what was stopped early: each training's uncompressed model, as last judged."""
    groups: dict[str, list[FrontRow]] = {}
    for record in records:
        if record.outcome == "stopped early" and record.recipe is not None and record.rungs:
            architecture = record.recipe.network.architecture
            groups.setdefault(architecture, []).append(record.rungs[max(record.rungs)])
    return [
        Series(_stopped_label(architecture, rows), rows, _stopped_style(architecture))
        for architecture, rows in sorted(groups.items())
        if len(places(rows, "size_bytes", "fid"))
    ]


def _stopped_label(architecture: str, rows: Sequence[FrontRow]) -> str:
    label = f"{architecture}, stopped early"
    counts = {row.get("fid_num_images") for row in rows} - {None}
    return f"{label}\n(FID of {counts.pop():,} images)" if len(counts) == 1 else label


def _stopped_style(architecture: str) -> dict[str, Any]:
    marker = MARKERS.get(architecture, OTHER_MARKER)
    return {"marker": marker, "facecolors": "none", "edgecolors": PALE, "linewidths": 1.2}
