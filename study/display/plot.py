"""The picture of a front: quality against size, every finished trial and the front's line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from study.results.limits import OVER_A_LIMIT
from study.results.rows import drawn_images
from study.results.words import format_bytes

MARKERS = {"ncsn": "o", "mini_ddpm": "s"}
COLOURS = {"none": "#444444", "linear8": "#1f77b4", "linear4": "#9467bd", "weights8": "#d95f02"}


def plot_front(
    rows: Sequence[dict[str, Any]],
    front: Sequence[dict[str, Any]],
    path: Path,
    over: Sequence[dict[str, Any]] = (),
) -> None:
    """Write FID against bytes as a PNG.

    Args:
        rows: every complete trial that keeps to the limits, as `records.as_row` gives it.
        front: those on the front, smallest first.
        path: of the PNG.
        over: complete trials that exceed a limit.
    """
    figure, axes = plt.subplots(figsize=(8, 5), dpi=120)
    for architecture in sorted({row["architecture"] for row in rows}):
        for quantization in sorted({row["quantization"] for row in rows}):
            chosen = [
                row
                for row in rows
                if (row["architecture"], row["quantization"]) == (architecture, quantization)
            ]
            axes.scatter(
                [row["size_bytes"] for row in chosen],
                [row["fid"] for row in chosen],
                marker=MARKERS.get(architecture, "D"),
                color=COLOURS.get(quantization, "#222222"),
                alpha=0.75,
                label=f"{architecture}, {quantization}" if chosen else None,
            )
    if over:
        places = [row["size_bytes"] for row in over], [row["fid"] for row in over]
        axes.scatter(*places, marker="x", color="#999999", label=OVER_A_LIMIT)
    _draw_front(axes, front)
    axes.set(xscale="log", yscale="log", xlabel="size of the model file", ylabel="FID")
    for axis, write in ((axes.xaxis, format_bytes), (axes.yaxis, "{:g}".format)):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _, write=write: write(value)))
        axis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True, alpha=0.3)
    axes.set_title(
        f"{len(front)} of {len(rows) + len(over)} trials on the front "
        f"(FID of {drawn_images(front[0])}, bars: 95 %)"
    )
    axes.legend(fontsize=7, title="architecture, quantization", title_fontsize=7)
    _save(figure, path)


def _draw_front(axes: Any, front: Sequence[dict[str, Any]]) -> None:
    sizes = [row["size_bytes"] for row in front]
    fids = [row["fid"] for row in front]
    bars = [
        [row["fid"] - row["fid_low"] for row in front],
        [row["fid_high"] - row["fid"] for row in front],
    ]
    # Between two points a user gets the smaller model's quality: a staircase. With objectives of
    # more kinds, points lie above it.
    axes.step(
        sizes, np.minimum.accumulate(fids), where="post", color="black", linewidth=1, zorder=3
    )
    axes.errorbar(sizes, fids, yerr=bars, fmt="none", color="black", capsize=3, zorder=3)
    for row in front:
        axes.annotate(
            f"{row['rank']}",
            (row["size_bytes"], row["fid"]),
            textcoords="offset points",
            xytext=(6, 5) if row["rank"] % 2 else (6, -14),  # neighbours may lie close
            fontsize=9,
            weight="bold",
        )


def _save(figure: Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)
