"""The front's folder: tables, a picture, and a folder with a card for each model."""

import json
import shutil
from pathlib import Path

import pandas as pd

from study.display.plot import plot_front
from study.results.front import front_rows
from study.results.rows import FrontRow, drawn_images, real_images
from study.run.run import Run


def write_front(run: Run) -> list[FrontRow]:
    """Write the front's folder anew, aside and then renamed, and return its rows.

    It holds front.csv, front.json, front.parquet, front.png, and for each point a copy of its
    trial's folder with a card.
    """
    rows = front_rows(run.records, run.objectives)
    aside = run.folder / ".front"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    for row in rows:
        point_dir = aside / Path(row["package_path"]).parent.name
        shutil.copytree(run.folder / "trials" / str(row["trial"]), point_dir)
        (point_dir / "README.md").write_text(card(row, run.folder.name))
    table = pd.DataFrame(rows)
    if rows:
        table["groups"] = table["groups"].astype(str)  # numbers, or "max"
        (aside / "front.png").write_bytes(plot_front(run, rows))
    table.to_csv(aside / "front.csv", index=False)
    table.to_parquet(aside / "front.parquet", index=False)
    content = {"run": run.folder.name, "objectives": list(run.objectives), "points": rows}
    (aside / "front.json").write_text(json.dumps(content, indent=2) + "\n")
    final, old = run.folder / "front", run.folder / ".front.old"
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.replace(old)
    aside.replace(final)
    shutil.rmtree(old, ignore_errors=True)
    return rows


def card(row: FrontRow, run: str) -> str:
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
        f"| FID of {real_images(row)} | {row['fid_floor']:.2f} |\n"
        f"| FID, held-out split | {row['fid_held_out']:.2f} |\n"
        f"{sure}"
        f"{labels}"
        f"| trained on | {row['train_images']:,} images, {row['train_seconds']:.0f} s |\n\n"
        "Draw images with it:\n\n"
        f"    python -m study.generate PATH/TO/THIS/FOLDER -n 64 --out grid.png\n\n"
        "`recipe.json` defines the model, `scores.json` holds every figure with its conditions.\n"
    )
