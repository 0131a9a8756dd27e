"""The settings of a run: resolved once, written to run.json, read again on resume."""

import dataclasses
import platform
import typing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from diffusion.config import checked
from diffusion.errors import one_line
from diffusion.recipe import DataConfig, Precision
from diffusion.score.extractor_choice import ExtractorChoice
from search_spaces import load_space
from search_spaces.space import RowFormulation, SearchSpace, SpaceOptions
from search_spaces.stored import StoredBackbone
from study.results.bounds import LEAST_SHARE, MOST_CPUS, TOO_MUCH
from study.results.limits import check_limits
from study.results.objectives import check_objectives
from study.run.database import Database, check_database
from study.run.files import write_json
from study.run.folder import EXTRACTOR_NAME, SETTINGS_NAME
from study.run.loggers import check_loggers, check_tracking_id
from study.run.settings_format import FORMAT_VERSION, read_settings

DEVICES = ("cpu", "cuda")
# The least and the most of a number; of others 0 and what 64 bits hold.
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(
        ("trials", "fid_num_images", "concurrent_trials", "concurrent_trials_asked"),
        (1, TOO_MUCH - 1),
    ),
    **dict.fromkeys(("cpus_per_trial", "gpus_per_trial"), (LEAST_SHARE, MOST_CPUS)),
    "threads": (1, MOST_CPUS),
}
VERSIONS = ("paretodiff", "torch", "ray", "optuna", "bitsandbytes", "numpy")


@dataclass(frozen=True)
class RunSettings:
    """What defines a run.

    Attributes:
        train_images, formulation, rows: what differs from the space as it is.
        backbones: of the store, that a space compresses which trains none; else none.
        data: the data as recipes name it, with its fingerprint.
        extractor: "inception" or a classifier's file, to score by; None for the built-in one.
        inception_weights: their file; None for the published ones.
        store: folder of the backbones, shared by runs; None for the run's own.
        limits: the most, or least, that a score may be, by its key.
        reuse: whether a training feeds every trial that can use it; without, each trains anew.
        early_stopping: whether trainings that fall behind are stopped on their way.
        trials: finished trials asked for.
        time_budget_seconds: of all its sessions; what is trained ends in it. None for no limit.
        train_images_total: once so many images were trained on, no trial starts.
        retries: how often a trial that raises or whose process dies is started again.
        concurrent_trials: as of the last session's begin.
        concurrent_trials_asked: None for as many as fit into the cluster.
        address: of the Ray cluster it runs on; None for this machine alone.
        space_edition: of the space, which was another one before its knobs changed.
        space_sha256: of the file that the space is; None for one of ours.
        storage: URL of the database that has the study, without a password; None for a journal.
        study_name: of the study in that database.
        loggers: trackers that trials are logged to as they run, as `--log` names them.
        tracking_id: by which they find the study's runs again; None as long as there are none.
        precision: of training and drawing; None for what the space has.
        drawing_precision: of drawing alone; None for that of the training.
        compiles: whether networks are compiled for trainings that repay it.
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
    address: str | None = None
    space_edition: int = 1
    backbones: tuple[StoredBackbone, ...] = ()
    space_sha256: str | None = None
    concurrent_trials_asked: int | None = None
    storage: str | None = None
    study_name: str | None = None
    loggers: tuple[str, ...] = ()
    tracking_id: str | None = None
    precision: Precision | None = None
    drawing_precision: Precision | None = None
    compiles: bool = True

    @property
    def database(self) -> Database | None:
        """The study in its database; None where it is in the run's journal."""
        if self.storage is None or self.study_name is None:
            return None
        return Database(self.storage, self.study_name)

    @property
    def space_options(self) -> SpaceOptions:
        """What differs from the space as it is."""
        return SpaceOptions(
            self.train_images,
            self.formulation,
            self.rows,
            self.backbones,
            self.precision,
            self.drawing_precision,
        )

    def load_space(self) -> SearchSpace:
        """Return the run's search space.

        Raises:
            ValueError: it is a file, of which a run's folder keeps no more than the hash.
        """
        if self.space_sha256 is not None:
            raise ValueError(f"space {self.space!r} is a file; allowed: one of ours")
        return load_space(self.space, self.space_options)

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
        values = read_settings(path)
        names = {field.name for field in dataclasses.fields(cls)}
        if missing := sorted(names - set(values)):
            raise ValueError(f"{path} lacks {', '.join(missing)}")
        given = {name: values[name] for name in names}
        try:
            data = DataConfig.from_dict(given["data"])
            given["backbones"] = _backbones(given["backbones"], data)
            given["objectives"] = check_objectives(tuple(given["objectives"]))
            given["limits"] = check_limits(given["limits"].items())
            given["loggers"] = check_loggers(given["loggers"])
            given["tracking_id"] = check_tracking_id(given["tracking_id"])
            given["extractor"] = _extractor_of(run_dir, given["extractor"])
            settings = cls(**_checked_fields(given))
            if settings.backbones and settings.store is None:
                raise ValueError("store is None with backbones; allowed: the one that has them")
            check_database(settings.storage, settings.study_name)
            if settings.space_sha256 is None:
                settings.load_space()
            settings.extractor_choice()
            return settings
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(one_line(f"{path} is not as we write it: {error}")) from error


def save_settings(run_dir: Path, settings: RunSettings) -> None:
    """Write run.json."""
    write_json(run_dir / SETTINGS_NAME, settings.to_json())


def _extractor_of(run_dir: Path, known: str | None) -> str | None:
    """Return where a run's own classifier lies now, if its folder is not where it was."""
    own = run_dir / EXTRACTOR_NAME
    moved = known is not None and Path(known).name == own.name and not Path(known).is_file()
    return str(own) if moved and own.is_file() else known


def _backbones(values: Any, data: DataConfig) -> tuple[StoredBackbone, ...]:
    """Return the stored backbones as they were written.

    Raises:
        ValueError: one is not as we write it, or its key is another one's.
    """
    listed = checked("backbones", values, tuple[dict[str, Any], ...])
    backbones = tuple(StoredBackbone.from_dict(each) for each in listed)
    for backbone in backbones:
        if (key := backbone.recipes(data)[0].backbone_key) != backbone.key:
            raise ValueError(f"a backbone's key is {backbone.key}; allowed: {key}")
    return backbones


def _checked_fields(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the fields as their types have them, and within what they allow.

    Raises:
        ValueError: a value is of another type or out of its range; the message names the field.
    """
    hints = typing.get_type_hints(RunSettings)
    fields = {name: checked(name, value, hints[name]) for name, value in values.items()}
    for name, value in fields.items():
        least, most = RANGES.get(name, (0, TOO_MUCH - 1))
        no_gpu = name == "gpus_per_trial" and value == 0
        if type(value) in (int, float) and not (least <= value <= most or no_gpu):
            raise ValueError(f"{name} is {value}; allowed: {least:g} to {most:g}")
    if fields["device"] not in DEVICES:
        raise ValueError(f"device is {fields['device']!r}; allowed: {' or '.join(DEVICES)}")
    if fields["store"] is not None and not Path(fields["store"]).is_absolute():
        raise ValueError(f"store is {fields['store']!r}; allowed: an absolute path")
    return fields
