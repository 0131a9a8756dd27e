"""The front as printed tables."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, JustifyMethod
from rich.table import Table

from study.display.cells import TEXTS, front_cells, scale
from study.results.rows import FrontRow


def print_front(console: Console, rows: Sequence[FrontRow]) -> None:
    """Print the front, smallest first, and the scale its FIDs are to be read on."""
    if not rows:
        return
    console.print(f"\nThe front: {len(rows)} models, smallest first", highlight=False)
    table = Table(box=None, pad_edge=False)
    # Fits 80 columns; only the compression may wrap.
    # How sure a point is says more than its labels, once that is known.
    last = "labels" if rows[0]["verified_seeds"] is None else "on front"
    for column in ("point", "model", "compression", "size", "FID", "95 %", last):
        justify: JustifyMethod = "left" if column in TEXTS else "right"
        table.add_column(column, justify=justify, no_wrap=column != "compression")
    for row in rows:
        point, model, groups, track, pruned, quantization, *numbers = front_cells(row)
        size, fid, interval, _, labels = numbers
        steps = [f"ema {track}"] + [s for s in (pruned, quantization) if s != "none"]
        sure = labels if last == "labels" else f"{row['front_probability']:.0%}"
        table.add_row(point, f"{model} g{groups}", ", ".join(steps), size, fid, interval, sure)
    console.print(table)
    console.print(scale(rows), soft_wrap=True, highlight=False)


def print_trainings(console: Console, rows: Sequence[FrontRow]) -> None:
    """Print the spread over trainings beside that over samples, where the front was replicated."""
    replicated = [row for row in rows if row["trainings"] is not None]
    if not replicated:
        return
    table = Table(box=None, pad_edge=False)
    for column in ("point", "FID", "deviation over samples", "over trainings", "trainings"):
        table.add_column(column, justify="left" if column == "point" else "right")
    for row in replicated:
        table.add_row(
            Path(row["package_path"]).parent.name,
            f"{row['fid']:.2f}",
            f"{row['fid_samples_deviation']:.2f}",
            f"{row['fid_trainings_deviation']:.2f}",
            str(row["trainings"]),
        )
    console.print(table)
