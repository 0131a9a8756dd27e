"""The front's models as cells of tables."""

from collections.abc import Sequence
from pathlib import Path

from study.results.rows import FrontRow, drawn_images, real_images
from study.results.words import format_bytes

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
    agreement = row["label_agreement"]
    return (
        Path(row["package_path"]).parent.name,
        f"{row['architecture']} {row['widths']}",
        str(row["groups"]),
        row["ema"],
        pruned,
        row["quantization"],
        format_bytes(row["size_bytes"]),
        f"{row['fid']:.1f}",
        f"{row['fid_low']:.1f}-{row['fid_high']:.1f}",
        f"{row['fid_held_out']:.1f}",
        "-" if agreement is None else f"{agreement:.0%}",
    )


def scale(rows: Sequence[FrontRow]) -> str:
    """Say what the FIDs mean: how many images, and how far from real ones and from noise.

    Args:
        rows: of the front, at least one.
    """
    best = min(rows, key=lambda row: row["fid"])
    share = 100 * best["fid"] / best["fid_noise"]
    return (
        f"FID of {drawn_images(best)} against the train split; {real_images(best)} have "
        f"{best['fid_floor']:.2f}, uniform noise {best['fid_noise']:.0f}, the best point "
        f"{share:.2f} % of that"
    )
