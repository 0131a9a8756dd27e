"""What a run leaves to look at: one HTML page."""

import base64
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diffusion.files import write_bytes
from study.display.cells import COLUMNS, TEXTS, front_cells, scale
from study.display.own_files import MAX_PICTURE_BYTES, read_own
from study.display.render import render_html
from study.results.limits import OVER_A_LIMIT, said
from study.results.objectives import aims
from study.results.records import TrialRecord
from study.results.rows import FrontRow
from study.results.words import format_bytes, name_recipe
from study.run.run import Run

SHOWN = ("fid", "fid_held_out", "size_bytes", "label_agreement")  # objectives in COLUMNS
LEFT_OUT = ("stopped early", OVER_A_LIMIT, "failed")
LEFT_OUT_COLUMNS = ("trial", "model", "why", "trained on", "size", "FID")
# No trial runs any more when a report is written.
OUTCOMES = {"running": "begun, for a resume to finish", "infeasible": "refused"}
Table = list[tuple[str, ...]]


def write_report(run: Run, rows: Sequence[FrontRow], path: Path | None = None) -> None:
    """Write report.html, which needs no other file, aside and then renamed.

    Args:
        run: whose front has these rows.
        rows: of the front, as it is written in the run's folder.
        path: of another file to write; None for the run's own.

    Raises:
        ValueError: a picture is a link, too large, or no file.
    """
    left_out = [r for r in run.records if r.outcome in LEFT_OUT and r.recipe is not None]
    page = render_html(
        "report.html.j2",
        name=run.folder.name,
        settings=run.settings,
        aims=_aims(run),
        trials=_count_trials(run.records),
        texts=TEXTS,
        point_columns=(*COLUMNS, *_further(run)),
        points=_points(run, rows),
        scale=scale(rows) if rows else "",
        pictures=_pictures(run, [("front/front.png", "Every trial; the line is the front.")]),
        samples=_pictures(run, [_samples(row) for row in rows]),
        left_out_columns=LEFT_OUT_COLUMNS,
        left_out=[_left_out_cells(record) for record in left_out],
    )
    write_bytes(path or run.folder / "report.html", page.encode())


def _aims(run: Run) -> str:
    return "; ".join([aims(run.objectives), *said(run.limits)])


def _count_trials(records: Sequence[TrialRecord]) -> str:
    """Say how many trials ended in which way, and how many compressions were screened."""
    outcomes = [record.outcome for record in records if record.state != "waiting"]
    counts = Counter(OUTCOMES.get(outcome, outcome) for outcome in outcomes)
    ended = ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "none"
    screened = sum(len(record.screened) for record in records)
    return f"{ended}; {screened:,} more compressions screened" if screened else ended


def _further(run: Run) -> list[str]:
    """Return the objectives that no column shows."""
    return [name for name in run.objectives if name not in SHOWN]


def _points(run: Run, rows: Sequence[FrontRow]) -> Table:
    names = _further(run)
    return [(*front_cells(row), *(f"{row[name]:,.6g}" for name in names)) for row in rows]


def _samples(row: FrontRow) -> tuple[str, str]:
    path = Path(row["package_path"]).with_name("samples.png")
    return str(path), " | ".join(front_cells(row)[:7])


def _pictures(run: Run, captions: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the pictures that there are, to be embedded.

    Args:
        run: in whose folder they are.
        captions: of each its path from there on, and what it shows.
    """
    pictures = []
    for path, caption in captions:
        content = read_own(run.folder, run.folder / path, MAX_PICTURE_BYTES)
        if content is not None:
            pictures.append({"caption": caption, "base64": base64.b64encode(content).decode()})
    return pictures


def _left_out_cells(record: TrialRecord) -> tuple[str, ...]:
    """Return what is known of a trial that cannot be on the front."""
    rung = max(record.rungs, default=0)
    known = record.scores or {"train_images": rung or None, **record.rungs.get(rung, {})}
    images, size, fid = (known.get(name) for name in ("train_images", "size_bytes", "fid"))
    return (
        str(record.number),
        "" if record.recipe is None else name_recipe(record.recipe),
        record.reason or record.outcome,
        "-" if images is None else f"{images:,}",
        "-" if size is None else format_bytes(size),
        "-" if fid is None else f"{fid:.1f}",
    )
