"""Tables of finished trials, on which searches can be replayed in seconds."""

import gzip
import io
import json
import reprlib
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from rich.progress import track

from diffusion.errors import one_line
from diffusion.files import write_bytes
from diffusion.train import snapshot_points
from study.evaluation.context import RunContext
from study.evaluation.scoring import score_rung
from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.results.rows import SCORE_COLUMNS
from study.run.backbones import BackboneStore
from study.run.files import MEGABYTE, parse_json, read_json, read_regular
from study.run.folder import SETTINGS_NAME
from study.run.run import Run

FORMAT_VERSION = 2  # 1 had no screenings
MOST_BYTES = 256 * MEGABYTE
KEPT_SCORES = (
    *SCORE_COLUMNS,
    "finetune_seconds",
    "generate_seconds",
    "score_seconds",
    "label_agreement",
)
CONDITIONS = (
    *("space", "formulation", "dataset", "data", "extractor_sha256", "fid_num_images"),
    *("threads", "concurrent_trials", "device", "python", "versions"),
)
Table = dict[str, Any]


def make_table(run_dir: Path, *, score_rungs: bool = False) -> Table:
    """Return the complete trials of a run, and the trainings that they share.

    Args:
        run_dir: of a run; it may still be running.
        score_rungs: whether snapshots that no trial was judged by are scored now.

    Returns:
        Its `trials` by number, each with its knobs and scores, its `backbones` by key, each with
        its scores by training images, where it was scored uncompressed on its way, and its
        `screenings`, of whatever trial they were made beside.

    Raises:
        ValueError: it is no run, or no trial of it is complete.
    """
    run = Run.read(run_dir)
    known = read_json(run_dir / SETTINGS_NAME)
    if missing := sorted(set(CONDITIONS) - set(known)):
        raise ValueError(f"{run_dir / SETTINGS_NAME} lacks {', '.join(missing)}")
    complete = [record for record in run.complete() if record.recipe is not None]
    if not complete:
        raise ValueError(f"run {run_dir} has no complete trial; allowed: one or more")
    backbones = _backbones(run.records, run.objectives)
    if score_rungs:
        _score_rungs(complete, backbones, RunContext.of(run_dir, run.settings))
    return {
        "format": FORMAT_VERSION,
        "run": run_dir.name,
        "objectives": list(run.objectives),
        "conditions": {name: known[name] for name in CONDITIONS},
        "backbones": backbones,
        "trials": [_row(record, run.objectives) for record in complete],
        "screenings": [s.to_dict() for record in run.records for s in record.screened],
    }


def _backbones(records: Iterable[TrialRecord], objectives: tuple[str, ...]) -> dict[str, Any]:
    backbones: dict[str, Any] = {}
    for record in records:
        if record.recipe is not None:
            rungs = backbones.setdefault(record.recipe.backbone_key, {"rungs": {}})["rungs"]
            for train_images, scores in sorted(record.rungs.items()):
                rungs[str(train_images)] = _kept(scores, objectives)
    return backbones


def _score_rungs(
    records: Iterable[TrialRecord], backbones: dict[str, Any], context: RunContext
) -> None:
    """Score the kept snapshots of trainings that no trial was judged by."""
    torch.set_num_threads(context.threads)
    store = BackboneStore(context.store_dir)
    recipes = {r.recipe.backbone_key: r.recipe for r in records if r.recipe is not None}
    for key, recipe in track(recipes.items(), description="scoring rungs"):
        *rungs, _ = snapshot_points(recipe.training.train_images)
        for train_images in rungs:
            if str(train_images) in backbones[key]["rungs"]:
                continue
            if scores := score_rung(recipe, train_images, store, context):
                kept = _kept(scores, tuple(scores))
                backbones[key]["rungs"][str(train_images)] = kept


def _row(record: TrialRecord, objectives: tuple[str, ...]) -> Table:
    recipe: Any = record.recipe
    return {
        "trial": record.number,
        "key": recipe.key,
        "backbone_key": recipe.backbone_key,
        "knobs": dict(record.knobs),
        "scores": _kept(record.scores or {}, objectives),
    }


def _kept(scores: Scores, objectives: tuple[str, ...]) -> Scores:
    names = dict.fromkeys((*objectives, *KEPT_SCORES))
    return {name: scores[name] for name in names if name in scores}


def write_table(table: Table, path: Path) -> None:
    """Write a table as JSON, packed where the name ends in .gz, aside and then renamed."""
    content = (json.dumps(table, separators=(",", ":")) + "\n").encode()
    # Without a time in it, the same table gives the same file.
    write_bytes(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def read_table(path: Path) -> Table:
    """Read a table.

    Raises:
        ValueError: the file is missing, or no table of this version.
    """
    try:
        table = parse_json(_unpacked(path), path)
        found = table["format"]
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise ValueError(one_line(f"{path} is no table of trials ({error})")) from error
    if found != FORMAT_VERSION:
        raise ValueError(f"{path} has format {reprlib.repr(found)}; allowed: {FORMAT_VERSION}")
    return dict(table)


def _unpacked(path: Path) -> bytes:
    """Return a table's text, of which no more is unpacked than a table may have."""
    content = read_regular(path, MOST_BYTES)
    if path.suffix == ".gz":
        content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is too long; allowed: up to {MOST_BYTES:,} bytes unpacked")
    return content
