"""The settings of a run: resolved once, written to run.json, read again on resume."""

import dataclasses
import json
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from diffusion.recipe import DataConfig
from diffusion.score.choose_extractor import ExtractorChoice
from search_spaces import load_space
from search_spaces.space import RowFormulation, SearchSpace, SpaceOptions
from study.results.limits import check_limits
from study.results.objectives import check_objectives
from study.run.files import write_json
from study.run.folder import SETTINGS_NAME

FORMAT_VERSION = 4
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


def save_settings(run_dir: Path, settings: RunSettings) -> None:
    """Write run.json."""
    write_json(run_dir / SETTINGS_NAME, settings.to_json())


def _written_by(values: dict[str, Any]) -> str:
    """Name the version of this project that wrote a run's settings."""
    versions = values.get("versions")
    known = versions.get("paretodiff") if isinstance(versions, dict) else None
    return f"paretodiff {known}" if known else "it names none"
