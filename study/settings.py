"""The settings of a run: resolved once, written to run.json, read again on resume."""

import dataclasses
import fcntl
import json
import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from diffusion.recipe import DataConfig
from diffusion.score.extractor import ExtractorChoice
from search_spaces import load_space
from search_spaces.space import RowFormulation, SearchSpace, SpaceOptions
from study.files import write_json
from study.records import check_limits, check_objectives

FORMAT_VERSION = 4
SETTINGS_NAME = "run.json"
JOURNAL_NAME = "study.journal"
VERSIONS = ("paretodiff", "torch", "ray", "optuna", "bitsandbytes", "numpy")


@dataclass(frozen=True)
class RunSettings:
    """What defines a run.

    Attributes:
        train_images, formulation, rows: what differs from the space as it is.
        data: the data as recipes name it, with its fingerprint.
        extractor: "inception" or a classifier's file, to score by; None for the built-in one.
        inception_weights: their file; None for the published ones.
        store: folder of the backbones, shared by runs; None for the run's own.
        limits: the most that a score may be, by its name.
        reuse: whether a training feeds every trial that can use it; without, each trains anew.
        early_stopping: whether trainings that fall behind are stopped on their way.
        trials: finished trials asked for.
        time_budget_seconds: after it no trial starts; None for no limit.
        train_images_total: once so many images were trained on, no trial starts.
        retries: how often a trial that raises or whose process dies is started again.
        sweep_front: whether a grid of compressions over the front's backbones is tried too.
    """

    space: str
    train_images: int | None
    formulation: RowFormulation
    rows: tuple[str, ...]
    dataset: str
    data: dict[str, Any]
    objectives: tuple[str, ...]
    limits: dict[str, float]
    seed: int
    reuse: bool
    early_stopping: bool
    trials: int
    time_budget_seconds: float | None
    train_images_total: int | None
    retries: int
    sweep_front: bool
    fid_num_images: int
    data_dir: str | None
    extractor: str | None
    inception_weights: str | None
    store: str | None
    extractor_sha256: str
    cpus_per_trial: float
    gpus_per_trial: float
    concurrent_trials: int
    threads: int
    device: str

    def load_space(self) -> SearchSpace:
        """Return the run's search space."""
        options = SpaceOptions(self.train_images, self.formulation, self.rows)
        return load_space(self.space, options)

    def extractor_choice(self) -> ExtractorChoice | None:
        """Return what scores, with the hash it began with; None for the built-in extractor."""
        if self.extractor is None:
            return None
        weights = None if self.inception_weights is None else Path(self.inception_weights)
        return ExtractorChoice(self.extractor, weights, self.extractor_sha256)

    def to_json(self) -> dict[str, Any]:
        """Return the settings with the versions they were made with."""
        return {
            "format": FORMAT_VERSION,
            **dataclasses.asdict(self),
            "python": platform.python_version(),
            "versions": {name: version(name) for name in VERSIONS},
        }

    @classmethod
    def load(cls, run_dir: Path) -> Self:
        """Read a run's settings.

        Raises:
            ValueError: the folder is not a run of ours, or of another format.
        """
        path = run_dir / SETTINGS_NAME
        try:
            values = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{run_dir} is no run of a study: {path} cannot be read ({error})"
            ) from error
        if not isinstance(values, dict) or "format" not in values:
            raise ValueError(f"{run_dir} is no run of a study: {path} has no format of ours")
        if values["format"] != FORMAT_VERSION:
            raise ValueError(
                f"{path} has format {values['format']!r}; allowed: {FORMAT_VERSION}. What another "
                f"version wrote is read by that one: {_written_by(values)}"
            )
        names = {field.name for field in dataclasses.fields(cls)}
        if missing := sorted(names - set(values)):
            raise ValueError(f"{path} lacks {', '.join(missing)}")
        given = {name: values[name] for name in names}
        try:
            DataConfig.from_dict(given["data"])
            given["objectives"] = check_objectives(tuple(given["objectives"]))
            given["limits"] = check_limits(given["limits"].items())
            given["rows"] = tuple(given["rows"])
            settings = cls(**given)
            settings.load_space()
            settings.extractor_choice()
            return settings
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is not as we write it: {error}") from error


def new_run_dir(out: Path, name: str | None, space: str) -> Path:
    """Return the folder of a new run, absolute; it does not exist yet.

    Raises:
        ValueError: the name is taken or unusable, or nothing can be written there.
    """
    out = out.expanduser().resolve()
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out is {out}, a file; allowed: a folder")
    if name is None:
        numbers = [int(m[1]) for p in _entries(out) if (m := re.fullmatch(rf"{space}-(\d+)", p))]
        name = f"{space}-{max(numbers, default=0) + 1:03d}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(f"--name is {name!r}; allowed: letters, digits, '.', '_' and '-'")
    run_dir = out / name
    if run_dir.exists():
        raise ValueError(f"--name is {name!r}, but {run_dir} exists; use --resume {run_dir}")
    nearest = next(folder for folder in (out, *out.parents) if folder.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ValueError(f"--out is {out}, but {nearest} cannot be written to")
    return run_dir


@contextmanager
def exclusive(run_dir: Path) -> Iterator[None]:
    """Keep other drivers off a run; the operating system lets go when this process ends.

    Raises:
        ValueError: another process runs it, or it has trials that no journal knows.
    """
    path = run_dir / JOURNAL_NAME
    if _entries(run_dir / "trials") and (not path.exists() or path.stat().st_size == 0):
        raise ValueError(
            f"run {run_dir} has trials, but {path} is missing or empty; allowed: the journal "
            "that was written with them"
        )
    with path.open("ab") as journal:
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"run {run_dir} is in use by another process") from error
        yield


def save_settings(run_dir: Path, settings: RunSettings) -> None:
    """Write run.json."""
    write_json(run_dir / SETTINGS_NAME, settings.to_json())


def _written_by(values: dict[str, Any]) -> str:
    """Name the version of this project that wrote a run's settings."""
    versions = values.get("versions")
    known = versions.get("paretodiff") if isinstance(versions, dict) else None
    return f"paretodiff {known}" if known else "it names none"


def _entries(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []
