"""A model's files and figures, read from where a run left them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusion.compress.limits import MAX_FILE_BYTES
from diffusion.compress.model_path import model_file
from diffusion.compress.package import PACKAGE_NAME, read_package
from diffusion.files import read_bounded
from diffusion.model import DiffusionModel
from study.display.own_files import MAX_PICTURE_BYTES
from study.evaluation.cost import network_counts
from study.evaluation.samples import SAMPLES_NAME
from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.results.rows import LATEST_COLUMNS, ONNX_COLUMNS, SCORE_COLUMNS, FrontRow, as_row
from study.run.files import MEGABYTE, read_json, read_regular
from study.run.folder import SETTINGS_NAME
from study.run.packages import HASH, UNSOUND
from study.run.trial_attributes import check_scores
from study.run.warned import read_warnings

MAX_FRONT_BYTES = 64 * MEGABYTE


@dataclass(frozen=True)
class PointFiles:
    """What is known of one model.

    Attributes:
        path: of its model file.
        package: the file's content.
        model: read from it, on the CPU.
        row: its figures: those of the front's table where it lies in one, else its trial's; of
            a model file alone its size and counts.
        scores: with the conditions of the figures; empty for a model file alone.
        samples: content of its sample sheet; None where it has none.
        warnings: that the trials of its run gave, where it lies in a run's folder.
    """

    path: Path
    package: bytes
    model: DiffusionModel
    row: FrontRow
    scores: Scores
    samples: bytes | None
    warnings: tuple[str, ...]


def read_point(path: Path) -> PointFiles:
    """Read a model with what lies beside it.

    Args:
        path: of a front point's or trial's folder, or of a model file.

    Raises:
        ValueError: there is no model, it is not the one that was scored, or a file beside it is
            not as we write it.
        OSError: a file cannot be read.
    """
    package = model_file(path, PACKAGE_NAME)
    model, content = read_package(package), read_bounded(package, MAX_FILE_BYTES)
    scores = _read_scores(package.parent)
    if scores.get(HASH) not in (None, hashlib.sha256(content).hexdigest()):
        raise ValueError(f"{package.parent} has scores, but {UNSOUND}")
    counts = network_counts(model.network, model.recipe.data)
    record = TrialRecord(0, "complete", model.recipe, {"size_bytes": len(content), **counts})
    row, samples = {**as_row(record), **_known(scores)}, None
    if scores:
        row.update(_front_row(package.parent))
        samples = _optional(package.with_name(SAMPLES_NAME))
    return PointFiles(
        package, content, model, row, scores, samples, _warnings_of_run(package.parent)
    )


def _read_scores(folder: Path) -> Scores:
    try:
        return check_scores(read_json(folder / "scores.json"))
    except FileNotFoundError:
        return {}


def _known(scores: Scores) -> dict[str, Any]:
    """Return what a row has of scores that may be anybody's: the numbers among its columns.

    What the recipe says of a model is the package's own.
    """
    columns = (*SCORE_COLUMNS, *LATEST_COLUMNS, *ONNX_COLUMNS)
    found = {name: scores.get(name) for name in columns}
    return {name: value for name, value in found.items() if type(value) in (int, float)}


def _front_row(folder: Path) -> FrontRow:
    """Return the row of the front's table that a folder belongs to; empty where none does."""
    try:
        content = read_json(folder.parent / "front.json", MAX_FRONT_BYTES)
    except FileNotFoundError:
        return {}
    points = content.get("points") if isinstance(content, dict) else None
    for point in points if isinstance(points, list) else ():
        row = check_scores(point)
        if Path(str(row.get("package_path"))).parent.name == folder.name:
            return _known(row)
    return {}


def _warnings_of_run(folder: Path) -> tuple[str, ...]:
    """Return the warnings of the run that a model's folder lies in; none elsewhere."""
    run_dir = folder.resolve().parents[1]
    return read_warnings(run_dir) if (run_dir / SETTINGS_NAME).is_file() else ()


def _optional(path: Path) -> bytes | None:
    try:
        return read_regular(path, MAX_PICTURE_BYTES)
    except FileNotFoundError:
        return None
