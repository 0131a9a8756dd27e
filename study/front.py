"""The front: finished trials that no other one dominates, as tables, a picture and folders."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffusion.compress.package import PACKAGE_NAME
from study.plot import plot_front
from study.records import OVER_A_LIMIT, TrialRecord, as_row, costs, drawn_images

Row = dict[str, Any]


def non_dominated(values: Sequence[Sequence[float]]) -> list[int]:
    """Return the positions that no other one dominates; equal ones stay together.

    Args:
        values: [num_trials, num_objectives], all finite, all minimised.
    """
    if not values:
        return []
    points = np.asarray(values, dtype=np.float64)
    if not np.isfinite(points).all():
        raise ValueError("objective values hold NaN or infinity; allowed: finite numbers")
    points, places = np.unique(points, axis=0, return_inverse=True)
    # In lexicographic order the first of those left is dominated by none of them.
    left, kept = np.arange(len(points)), np.zeros(len(points), dtype=bool)
    while len(left):
        first = left[0]
        kept[first] = True
        left = left[(points[left] < points[first]).any(axis=1)]
    return np.flatnonzero(kept[places.reshape(-1)]).tolist()


def front_records(
    records: Sequence[TrialRecord], objectives: tuple[str, ...]
) -> list[TrialRecord]:
    """Return the trials on the front, smallest first.

    Trials that are not complete or exceed a limit are left out, and once some are verified, those
    that are not.
    """
    complete = [r for r in records if r.state == "complete" and r.feasible and r.scores]
    verified = [record for record in complete if (record.scores or {}).get("verified_seeds")]
    complete = verified or complete
    values = [costs(record.scores or {}, objectives) for record in complete]
    front = [complete[position] for position in non_dominated(values)]
    return sorted(front, key=lambda r: ((r.scores or {})["size_bytes"], r.number))


def front_rows(records: Sequence[TrialRecord], objectives: tuple[str, ...]) -> list[Row]:
    """Return the front as rows, smallest first."""
    front = front_records(records, objectives)
    width = max(2, len(str(len(front))))
    rows = []
    for rank, record in enumerate(front, start=1):
        folder = f"front/{rank:0{width}d}-{record.number}"
        rows.append({"rank": rank, **as_row(record, f"{folder}/{PACKAGE_NAME}")})
    return rows


def write_front(
    run_dir: Path, records: Sequence[TrialRecord], objectives: tuple[str, ...]
) -> list[Row]:
    """Write the front's folder anew, aside and then renamed, and return its rows.

    It holds front.csv, front.json, front.parquet, front.png, and for each point a copy of its
    trial's folder with a card.
    """
    rows = front_rows(records, objectives)
    aside = run_dir / ".front"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    for row in rows:
        point_dir = aside / Path(row["package_path"]).parent.name
        shutil.copytree(run_dir / "trials" / str(row["trial"]), point_dir)
        (point_dir / "README.md").write_text(card(row, run_dir.name))
    table = pd.DataFrame(rows)
    if rows:
        table["groups"] = table["groups"].astype(str)  # numbers, or "max"
        complete = [record for record in records if record.state == "complete"]
        kept = [as_row(record) for record in complete if record.feasible]
        over = [as_row(record) for record in complete if not record.feasible]
        plot_front(kept, rows, aside / "front.png", over)
    table.to_csv(aside / "front.csv", index=False)
    table.to_parquet(aside / "front.parquet", index=False)
    content = {"run": run_dir.name, "objectives": list(objectives), "points": rows}
    (aside / "front.json").write_text(json.dumps(content, indent=2) + "\n")
    final, old = run_dir / "front", run_dir / ".front.old"
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.replace(old)
    aside.replace(final)
    shutil.rmtree(old, ignore_errors=True)
    return rows


def why_no_front(records: Sequence[TrialRecord]) -> str:
    """Say why none of the trials is on a front."""
    over = [record.reason for record in records if record.outcome == OVER_A_LIMIT]
    why = f"keeps to the limits (the last: {over[-1]})" if over else "is complete"
    return f"no trial {why}, so there is no front"


def card(row: Row, run: str) -> str:
    """Return the card of a front point, as Markdown."""
    share = 100 * row["fid"] / row["fid_noise"]
    agreement = row["label_agreement"]
    labels = "" if agreement is None else f"| label agreement | {100 * agreement:.1f} % |\n"
    sure = ""
    if row["verified_seeds"]:
        sure = f"| probability of being on the front | {row['front_probability']:.0%} |\n"
    groups, pruned = row["groups"], row["prune_method"]
    if pruned != "none":
        pruned = f"{pruned} {row['prune_ratio']:.0%} of {row['prune_region']}"
    return (
        f"# Point {row['rank']} of the front of {run}\n\n"
        f"A {row['architecture']} diffusion model, {row['size_bytes']:,} bytes as a file.\n\n"
        "| | |\n|-|-|\n"
        f"| widths, groups | {row['widths']}, {groups} |\n"
        f"| pruning | {pruned} |\n"
        f"| quantization | {row['quantization']} |\n"
        f"| EMA track | {row['ema']} |\n"
        f"| parameters (non-zero) | {row['parameters']:,} ({row['nonzero_parameters']:,}) |\n"
        f"| FID, {drawn_images(row)}, train split | {row['fid']:.2f} "
        f"(95 %: {row['fid_low']:.2f} to {row['fid_high']:.2f}), {share:.2f} % of noise's |\n"
        f"| FID of real images, as many | {row['fid_floor']:.2f} |\n"
        f"| FID, held-out split | {row['fid_held_out']:.2f} |\n"
        f"{sure}"
        f"{labels}"
        f"| trained on | {row['train_images']:,} images, {row['train_seconds']:.0f} s |\n\n"
        "Draw images with it:\n\n"
        f"    python -m study.generate PATH/TO/THIS/FOLDER -n 64 --out grid.png\n\n"
        "`recipe.json` defines the model, `scores.json` holds every figure with its conditions.\n"
    )
