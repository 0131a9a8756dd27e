"""The front's models as cells of tables."""

from collections.abc import Sequence
from pathlib import Path

from study.results.rows import FrontRow, drawn_images, quantization, real_images
from study.results.words import format_bytes, format_figure

COLUMNS = (
    "point",
    "model",
    "groups",
    "EMA",
    "pruning",
    "quantization",
    "size",
    "FID",
    "95 %",
    "held out",
    "labels",
)
TEXTS = ("point", "model", "groups", "EMA", "pruning", "quantization", "why", "compression")


def front_cells(row: FrontRow) -> tuple[str, ...]:
    """Return a front point's cells, one for each of COLUMNS.

    Args:
        row: of the front, with its `package_path`.
    """
    pruned = row["prune_method"]
    if pruned != "none":
        pruned = f"{pruned} {row['prune_ratio']:.0%} {row['prune_region']}"
    return (
        Path(row["package_path"]).parent.name,
        f"{row['architecture']} {row['widths']}",
        str(row["groups"]),
        row["ema"],
        pruned,
        quantization(row),
        format_bytes(row["size_bytes"]),
        f"{row['fid']:.1f}",
        f"{format_figure(row['fid_low'], '.1f')}-{format_figure(row['fid_high'], '.1f')}",
        format_figure(row["fid_held_out"], ".1f"),
        format_figure(row["label_agreement"], ".0%"),
    )


def scale(rows: Sequence[FrontRow]) -> str:
    """Say what the FIDs mean: how many images, and how far from real ones and from noise.

    Args:
        rows: of the front, at least one.
    """
    best = min(rows, key=lambda row: row["fid"])
    share = format_figure(noise_share(best), ".2%").replace("%", " %")
    return f"{conditions(best)}, the best point {share} of that"


def conditions(row: FrontRow) -> str:
    """Say of what a row's FID was measured, and where real images and noise lie on its scale."""
    return (
        f"FID of {drawn_images(row)} against the train split; {real_images(row)} have "
        f"{format_figure(row['fid_floor'], '.2f')}, uniform noise "
        f"{format_figure(row['fid_noise'], '.0f')}"
    )


def noise_share(row: FrontRow) -> float | None:
    """Return a model's FID as a share of that of uniform noise, where that is known."""
    noise = row["fid_noise"]
    return None if noise is None else row["fid"] / noise
