"""The front's folder: tables, a picture, and a folder with a card for each model."""

import hashlib
import json
from pathlib import Path

import pandas as pd

from diffusion.class_names import CLASSES_NAME
from diffusion.compress.limits import MAX_FILE_BYTES
from diffusion.compress.package import PACKAGE_NAME
from diffusion.files import write_bytes
from diffusion.recipe import SamplingConfig
from study.display.cards import card
from study.display.own_files import MAX_PICTURE_BYTES, read_own, remove_own
from study.evaluation.samples import SAMPLES_NAME
from study.results.front import front_rows
from study.results.rows import FrontRow
from study.run.packages import HASH, UNSOUND
from study.run.run import Run

CARD_NAME = "README.md"
TABLES = ("front.csv", "front.json", "front.parquet", "front.png")
MAX_JSON_BYTES = 2**24
TABLE_SUFFIXES = (".csv", ".json", ".parquet")
# What is copied of a trial's folder, and how large it may be; the package is not optional.
TRIAL_FILES = {
    PACKAGE_NAME: MAX_FILE_BYTES,
    "recipe.json": MAX_JSON_BYTES,
    CLASSES_NAME: MAX_JSON_BYTES,
    SAMPLES_NAME: MAX_PICTURE_BYTES,
    "scores.json": MAX_JSON_BYTES,
    "training.json": MAX_JSON_BYTES,
    "cool_down.json": MAX_JSON_BYTES,
    "verified.json": MAX_JSON_BYTES,
}


def write_front(run: Run) -> list[FrontRow]:
    """Write the front's folder anew, aside and then renamed, and return its rows.

    It holds front.csv, front.json, front.parquet, front.png, and for each point a copy of its
    trial's files with a card. No link in the run's folder is followed.

    Raises:
        ValueError: a trial on the front lacks its package, or a file of it is a link, too large,
            or no file.
    """
    rows = front_rows(run.records, run.objectives)
    aside = run.folder / ".front"
    remove_own(aside)
    aside.mkdir()
    samplings = {r.number: r.recipe.sampling for r in run.complete() if r.recipe is not None}
    for row in rows:
        _write_point(run, row, samplings[row["trial"]], aside)
    _write_tables(run, rows, aside)
    if rows:
        from study.display.plot import plot_front  # whose matplotlib takes a second to import

        write_bytes(aside / "front.png", plot_front(run, rows))
    final, old = run.folder / "front", run.folder / ".front.old"
    remove_own(old)
    if final.exists() or final.is_symlink():
        final.replace(old)
    aside.replace(final)
    remove_own(old)
    return rows


def _write_point(run: Run, row: FrontRow, sampling: SamplingConfig, aside: Path) -> None:
    """Copy a point's files, byte by byte, into a folder of its own, and add its card."""
    source = run.folder / "trials" / str(row["trial"])
    point = aside / Path(row["package_path"]).parent.name
    point.mkdir()
    for name, max_bytes in TRIAL_FILES.items():
        try:
            content = read_own(run.folder, source / name, max_bytes)
        except ValueError as error:
            raise ValueError(f"trial {row['trial']} is on the front, but {error}") from error
        if content is not None:
            if name == PACKAGE_NAME:
                _check_scored(row, content)
            write_bytes(point / name, content)
        elif name == PACKAGE_NAME:
            missing = source / name if source.exists() else source
            raise ValueError(
                f"trial {row['trial']} is on the front, but {missing} is missing; allowed: the "
                "folder that the trial left"
            )
    text = card(
        row,
        run.folder.name,
        sampling,
        has_samples=(point / SAMPLES_NAME).exists(),
        warnings=run.warnings,
    )
    write_bytes(point / CARD_NAME, text.encode())


def _check_scored(row: FrontRow, content: bytes) -> None:
    """Refuse another file than the one that was scored, put there since that was checked."""
    if row[HASH] not in (None, hashlib.sha256(content).hexdigest()):
        raise ValueError(f"trial {row['trial']} is on the front, but {UNSOUND}")


def _write_tables(run: Run, rows: list[FrontRow], aside: Path) -> None:
    for suffix in TABLE_SUFFIXES:
        write_bytes(aside / f"front{suffix}", table(run, rows, suffix))


def table(run: Run, rows: list[FrontRow], suffix: str) -> bytes:
    """Return a front's rows as the content of a file.

    Args:
        run: whose front has them.
        suffix: of the file, one of TABLE_SUFFIXES.
    """
    if suffix == ".json":
        content = {"run": run.folder.name, "objectives": list(run.objectives), "points": rows}
        return (json.dumps(content, indent=2) + "\n").encode()
    frame = pd.DataFrame(rows)
    if rows:
        frame["groups"] = frame["groups"].astype(str)  # numbers, or "max"
    if suffix == ".csv":
        return frame.to_csv(index=False).encode()
    return bytes(frame.to_parquet(index=False))
