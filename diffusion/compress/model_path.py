"""Where a model lies: a package, a folder that holds one, or a name in the folder of a front.

A front's folder holds a folder for each of its models, named by rank and trial, and an index.
There a model has names that are known before the study has ended: RUN/front/best is the one with
the lowest FID, RUN/front/smallest the smallest, RUN/front/pick the one to begin with, and
RUN/front/05 has rank 5.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import exists, isdir, isfile  # a path that the system refuses is not there
from pathlib import Path
from typing import Any

from diffusion.errors import PackageUnreachable, about_path
from diffusion.files import read_bounded

FRONT, INDEX = "front", "front.json"
MAX_INDEX_BYTES = 2**24
BEST, SMALLEST, PICK = "best", "smallest", "pick"


@dataclass(frozen=True)
class IndexedModel:
    """A model of a front, as the front's index has it.

    Attributes:
        folder: its name within the front's, of its rank and its trial.
        fid_low: the low end of the interval of its FID; the FID where it has none.
    """

    folder: str
    rank: int
    fid: float
    fid_low: float
    size_bytes: float


def model_file(path: Path | str, name: str) -> Path:
    """Return a file of the model that a path leads to.

    Args:
        path: of a file, which is returned as it is; of a folder with a model; or of a name in the
            folder of a front, as in RUN/front/best.
        name: of the file in the model's folder.

    Raises:
        PackageUnreachable: the front has no model of that name, or the path is of a run or a
            front, which hold many.
    """
    path = Path(path)
    if isdir(path):
        for front in (path, path / FRONT):
            if isfile(front / INDEX):
                raise _no_model(path, f"holds many models; allowed: one, like {front / BEST}")
        return path / name
    if not exists(path) and isfile(path.parent / INDEX):
        models = _read_index(path.parent / INDEX)
        try:
            model = find_model(models, path.name)
        except ValueError as error:
            raise PackageUnreachable(about_path("model", path, error)) from error
        return path.parent / model.folder / name
    if not exists(path) and isfile(path.parent / FRONT / INDEX):
        named = path.parent / FRONT / path.name
        raise _no_model(
            path, f"is no model of the run; allowed: a name of its front, like {named}"
        )
    return path


def find_model(models: Sequence[IndexedModel], name: str) -> IndexedModel:
    """Return the model of a front that a name means.

    Args:
        models: of the front, smallest first.
        name: best, smallest, pick, a rank in digits, or a folder's name.

    Raises:
        ValueError: there is none.
    """
    if models and name == BEST:
        return min(models, key=lambda model: (model.fid, model.size_bytes))
    if models and name == SMALLEST:
        return min(models, key=lambda model: (model.size_bytes, model.fid))
    if models and name == PICK:
        return to_begin_with(models)
    for model in models:
        rank_or_folder = int(name) if re.fullmatch(r"\d{1,9}", name) else name
        if rank_or_folder in (model.rank, model.folder):
            return model
    if not models:
        raise ValueError("is no model of the front, which is empty")
    listed = ", ".join(model.folder for model in models)
    allowed = f"{BEST}, {SMALLEST}, {PICK}, a rank like {models[0].rank:02}, or {listed}"
    raise ValueError(f"is no model of the front; allowed: {allowed}")


def name_in_front(models: Sequence[IndexedModel], model: IndexedModel) -> str:
    """Return the name of a model of a front that says most of it: best, pick, smallest, or 05.

    Args:
        models: of the front, smallest first.
        model: one of them.
    """
    for name in (BEST, PICK, SMALLEST):
        if find_model(models, name) == model:
            return name
    return f"{model.rank:02}"


def to_begin_with(models: Sequence[IndexedModel]) -> IndexedModel:
    """Return the smallest model whose 95 % interval of the FID reaches down to the best FID.

    Args:
        models: at least one.
    """
    best = min(model.fid for model in models)
    near = [model for model in models if min(model.fid, model.fid_low) <= best]
    return min(near, key=lambda model: (model.size_bytes, model.fid))


def _read_index(path: Path) -> list[IndexedModel]:
    try:
        points = json.loads(read_bounded(path, MAX_INDEX_BYTES))["points"]
        return [indexed_model(point) for point in points]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise _no_model(path, f"cannot be read as the index of a front: {error}") from error


def indexed_model(row: Mapping[str, Any]) -> IndexedModel:
    """Return a model from its row of the index; its folder leads nowhere but into the front's.

    Raises:
        ValueError, TypeError, LookupError: the row is not as we write it.
    """
    folder = Path(row["package_path"]).parent.name
    found = re.fullmatch(r"(\d{1,9})-\d+", folder)
    low = row["fid"] if row.get("fid_low") is None else row["fid_low"]
    fid, fid_low, size_bytes = float(row["fid"]), float(low), float(row["size_bytes"])
    if found is None or not all(map(math.isfinite, (fid, fid_low, size_bytes))):
        raise ValueError(f"{folder!r} is no point; allowed: one with a rank, a FID and a size")
    return IndexedModel(folder, int(found[1]), fid, fid_low, size_bytes)


def _no_model(path: Path, reason: str) -> PackageUnreachable:
    return PackageUnreachable(about_path("model", path, reason))
