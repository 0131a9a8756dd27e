"""What a front's picture shows: its trials, grouped into those that look alike."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from search_spaces import load_space
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
PUBLISHED = (("*", "#c2185b"), ("P", "#00838f"), ("X", "#6d4c41"))
WORSE_THAN_NOISE = "worse than noise"


@dataclass(frozen=True)
class Series:
    """Trials that look alike.

    Attributes:
        label: of its line in the legend.
        rows: values of the trials, by the names of scores.
        style: how their markers are drawn.
        names: of the rows, to be written beside them; none for most.
        is_aside: whether the axes need not reach as far as they do.
    """

    label: str
    rows: Sequence[FrontRow]
    style: dict[str, Any]
    names: tuple[str, ...] = ()
    is_aside: bool = False


def series_of(run: Run) -> list[Series]:
    """Return a run's trials that have scores, whole or stopped early, in the legend's order."""
    complete = [(record.feasible, as_row(record)) for record in run.complete()]
    kept = [row for feasible, row in complete if feasible]
    over = [row for feasible, row in complete if not feasible]
    series = [*_kept_series(kept), *_stopped_series(run.records)]
    style = {"marker": "x", "color": PALE, "linewidths": 1.2}
    noisy = [row for row in over if _is_noise(row)]
    limited = [row for row in over if not _is_noise(row)]
    if limited:
        series.append(Series(OVER_A_LIMIT, limited, style))
    if noisy:
        series.append(Series(WORSE_THAN_NOISE, noisy, style, is_aside=True))
    return series


def _is_noise(row: FrontRow) -> bool:
    return row["fid_noise"] is not None and row["fid"] > row["fid_noise"]


def published_series(name: str, number: int) -> Series:
    """Return what the authors of a published system measured of its rows.

    Their files are gzipped state dicts: where they name no other length, that is a file's.

    Args:
        name: of the space that holds the system.
        number: of the system among those that are shown, by which it is coloured.

    Raises:
        ValueError: there is no such space, or it has no published rows.
    """
    rows = [row for row in load_space(name).rows if row.published]
    if not rows:
        raise ValueError(
            f"--published is {name!r}, which has no published rows; allowed: a space like "
            "system-a-ncsn or system-b-mini"
        )
    values = [
        {"size_bytes": row.published.get("gzip_state_dict_bytes"), **row.published} for row in rows
    ]
    marker, colour = PUBLISHED[number % len(PUBLISHED)]
    style = {"marker": marker, "color": colour, "s": 50, "linewidths": 0}
    label = f"{name}, as published\n(FID on another scale)"
    return Series(label, values, style, tuple(row.name for row in rows))


def on_front(series: Sequence[Series], front: Sequence[FrontRow]) -> list[Series]:
    """Return the series with those of their trials alone that are on the front."""
    numbers = {row["trial"] for row in front}
    kept = [replace(s, rows=[r for r in s.rows if r.get("trial") in numbers]) for s in series]
    return [group for group in kept if group.rows]


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
