"""All that a report's page shows, as one JSON."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diffusion.compress.package import PACKAGE_NAME
from study.display.cells import scale
from study.display.commands import command
from study.display.report.class_names import class_names_of
from study.display.report.conditions import Conditions
from study.display.report.course import course_of
from study.display.report.curves import curves_of
from study.display.report.entries import STATUSES, Entry, entry_of
from study.display.report.importances import importances_of
from study.display.report.metrics import METRICS
from study.display.report.pictures import pictures_of
from study.display.report.screened import screened_of
from study.results.front import why_no_front
from study.results.objectives import aims
from study.results.pick import pick_model
from study.results.rows import FrontRow
from study.run.run import Run

NOT_BEGUN = "waiting"


def content_of(run: Run, rows: Sequence[FrontRow], *, is_live: bool) -> dict[str, Any]:
    """Return what the page of a run shows, of values that JSON has.

    Args:
        run: whose front has these rows.
        rows: of the front.
        is_live: whether the study is running, so that the page is written again.
    """
    front, conditions = {row["trial"]: row for row in rows}, Conditions()
    begun = run.with_records(r for r in run.records if r.state != NOT_BEGUN)
    entries = [entry_of(record, front, conditions) for record in begun.records]
    pictures, faults = pictures_of(run, front)
    classes, faults_of_names = class_names_of(run, list(front))
    return {
        "run": _heading(run, is_live=is_live),
        "metrics": [metric.to_json() for metric in METRICS],
        "objectives": list(run.objectives),
        "statuses": [[name, words] for name, words in STATUSES.items()],
        "trials": entries,
        "conditions": conditions.found,
        "screened": screened_of(begun.records),
        "course": course_of(begun.records, run.objectives),
        "importances": importances_of(begun.records, run.objectives),
        "curves": curves_of(begun.records, front),
        "pictures": pictures,
        "classes": classes,
        "commands": {row["trial"]: _commands(run, row, is_live=is_live) for row in rows},
        "pick": pick_model(rows)["trial"] if rows else None,
        "scale": scale(rows) if rows else None,
        "notes": [*_notes(begun, entries, rows, is_live=is_live), *faults, *faults_of_names],
    }


def _heading(run: Run, *, is_live: bool) -> dict[str, Any]:
    settings = run.settings
    limits = [f"{name} at most {most:,.10g}" for name, most in run.limits.items()]
    return {
        "name": run.folder.name,
        "live": is_live,
        "written": time.strftime("%Y-%m-%d %H:%M:%S"),
        "aims": "; ".join([aims(run.objectives), *limits]),
        "asked": settings.trials,
        "facts": [
            ["space", str(settings.space)],
            ["data", str(settings.dataset)],
            ["seed", str(settings.seed)],
            ["computed on", f"{settings.device}, {settings.threads} threads a trial"],
        ],
    }


def _commands(run: Run, row: FrontRow, *, is_live: bool) -> dict[str, str]:
    """Return what is done with a model of the front: on a command line, and in Python.

    The folder of the front is written at the end; a trial's own is there before.
    """
    point = run.folder / Path(row["package_path"]).parent
    if is_live:
        point = run.folder / "trials" / str(row["trial"])
    package = str(point / PACKAGE_NAME)
    return {
        "draw": command("study.generate", point, "-n", 64, "--out", "grid.png"),
        "python": "import torch\nfrom diffusion.compress.package import read_package\n\n"
        f"model = read_package({package!r})\nimages = model.generate(torch.arange(10))",
    }


def _notes(
    run: Run, entries: Sequence[Entry], rows: Sequence[FrontRow], *, is_live: bool
) -> list[str]:
    """Return what a reader must know before the figures."""
    counts, notes = Counter(entry["status"] for entry in entries), []
    if not entries:
        notes.append("No trial has begun yet.")
    elif not rows:
        said = why_no_front(run.records)
        notes.append(f"{said[0].upper()}{said[1:]}.")
    if counts["running"] and not is_live:
        notes.append(
            f"{counts['running']} trials had begun and not ended when this was written: the "
            "study is running, or was cut off and can be resumed."
        )
    if counts["noise"]:
        notes.append(
            f"{counts['noise']} trials draw worse than uniform noise. No such model is on any "
            "front: it is a limit that every study has, whether one is set or not."
        )
    verified = sum("seeds" in entry for entry in entries)
    if verified:
        others = sum("interval" in entry or "images" in entry for entry in entries) - verified
        notes.append(
            f"{verified} trials are verified: scored again with other noise. The front is made "
            f"of them alone; {others} others have the search's figures, which are paler."
        )
    return [*notes, *_older(run.records)]


def _older(records: Sequence[Any]) -> list[str]:
    """Say that trials of an older version lack figures that later ones have."""
    lacking = sum(_lacks(record.scores) for record in records if record.state == "complete")
    if not lacking:
        return []
    return [f"{lacking} trials are of an older version, which did not measure all that is shown."]


def _lacks(scores: Mapping[str, Any] | None) -> bool:
    return scores is not None and any(name not in scores for name in ("fid_floor", "precision"))
