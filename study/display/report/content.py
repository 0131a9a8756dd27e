"""All that a report's page shows, as one JSON."""

import time
from collections.abc import Sequence
from typing import Any

from diffusion.compress.model_path import FRONT, indexed_model, name_in_front
from study.display.cells import scale
from study.display.commands import command
from study.display.report.class_names import class_names_of
from study.display.report.conditions import Conditions
from study.display.report.course import course_of
from study.display.report.curves import curves_of
from study.display.report.entries import STATUSES, entry_of
from study.display.report.importances import importances_of
from study.display.report.metrics import METRICS
from study.display.report.notes import notes_of
from study.display.report.pictures import pictures_of
from study.display.report.screened import screened_of
from study.results.limits import said
from study.results.objectives import aims
from study.results.pick import pick_model
from study.results.rows import FrontRow
from study.results.words import counted
from study.run.run import Run

NOT_BEGUN = "waiting"


def content_of(
    run: Run, rows: Sequence[FrontRow], *, is_live: bool, is_written: bool
) -> dict[str, Any]:
    """Return what the page of a run shows, of values that JSON has.

    Args:
        run: whose front has these rows.
        rows: of the front.
        is_live: whether the study is running, so that the page is written again.
        is_written: whether the front's folder is of these rows.
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
        "commands": _commands(run, rows, is_live=is_live, is_written=is_written),
        "pick": pick_model(rows)["trial"] if rows else None,
        "scale": scale(rows) if rows else None,
        "notes": [*notes_of(begun, entries, rows, is_live=is_live), *faults, *faults_of_names],
    }


def _heading(run: Run, *, is_live: bool) -> dict[str, Any]:
    settings = run.settings
    return {
        "name": run.folder.name,
        "live": is_live,
        "written": time.strftime("%Y-%m-%d %H:%M:%S"),
        "aims": "; ".join([aims(run.objectives), *said(run.limits)]),
        "asked": settings.trials,
        "facts": [
            ["space", str(settings.space)],
            ["data", str(settings.dataset)],
            ["seed", str(settings.seed)],
            ["computed on", f"{settings.device}, {counted(settings.threads, 'thread')} a trial"],
        ],
    }


def _commands(
    run: Run, rows: Sequence[FrontRow], *, is_live: bool, is_written: bool
) -> dict[int, dict[str, str]]:
    """Return what is done with each model of the front: on a command line, and in Python.

    The folder of the front is written at the end; a trial's own is there before.
    """
    models = [indexed_model(row) for row in rows]
    commands = {}
    for row, model in zip(rows, models, strict=True):
        point = run.folder / FRONT / name_in_front(models, model)
        if is_live:
            point = run.folder / "trials" / str(row["trial"])
        elif not is_written:
            point = run.model_folder(row["trial"])
        commands[row["trial"]] = {
            "draw": command("study.generate", point, "-n", 64, "--out", "grid.png"),
            "python": "from study import Model\n\n"
            f"samples = Model.read({str(point)!r}).generate(64)\nsamples.save('grid.png')",
        }
    return commands
