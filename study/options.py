"""The search's command line, and the settings that it asks for."""

import argparse
import os
from pathlib import Path
from typing import Any

from diffusion.data import DATA_DIR_VARIABLE, DATASET_NAMES, load_dataset
from diffusion.score.extractor import build_extractor
from search_spaces import SPACES, load_space
from search_spaces.space import SpaceOptions
from study import cli
from study.records import DEFAULT_OBJECTIVES, OBJECTIVES, check_objectives
from study.settings import RunSettings

DEFAULT_SPACE, DEFAULT_DATASET = "quick", "mnist5k"
# What makes a run the study that it is; a resume keeps them.
KEPT = (
    *("space", "train_images", "formulation", "rows", "dataset", "data"),
    *("extractor", "extractor_sha256"),
    *("objectives", "seed", "fid_num_images"),
)


def build_parser(description: str) -> cli.Parser:
    """Describe the command line; what is not given stays None, so that a resume can tell."""
    parser = cli.Parser(prog="python -m study.search", description=description)
    add = parser.add_argument
    add("--space", help=f"search space: {', '.join(SPACES)} (default {DEFAULT_SPACE})")
    add("--train-images", type=cli.positive_int, help="of every training (default: the space's)")
    add(
        "--formulation",
        choices=("edm", "published"),
        help="how the system-... spaces are trained: our way (default), or as published with "
        "their whole budget",
    )
    add("--row", action="append", help="only this row of a system-... space; again for more")
    add(
        "--dataset", help=f"data: {', '.join(DATASET_NAMES)} (default {DEFAULT_DATASET}, embedded)"
    )
    add("--data-dir", type=Path, help="folder of downloaded data sets (default $PARETODIFF_DATA)")
    add("--download", action="store_true", help="fetch a missing data set into --data-dir")
    add("--extractor", type=Path, help="features to score by, of python -m study.train_extractor")
    add(
        "--objective",
        action="append",
        help=f"minimised; give it again for more: {', '.join(OBJECTIVES)} "
        f"(default {' and '.join(DEFAULT_OBJECTIVES)})",
    )
    add("--trials", type=cli.positive_int, help="finished trials to reach (default: the space's)")
    add("--time-budget", type=cli.seconds, help="start no trial after this long, like 30m or 2h")
    add("--seed", type=cli.seed, help="of the proposals (default 0)")
    add("--cpus-per-trial", type=cli.cpus, help="a trial's cores and threads (default 1)")
    add("--gpus-per-trial", type=cli.share, help="fractions share a GPU (default 1 if there are)")
    add("--concurrent-trials", type=cli.positive_int, help="at once (default: what fits)")
    add("--address", help="join this Ray cluster, like auto (default: this machine alone)")
    add("--out", type=Path, help="folder of runs (default runs)")
    add("--name", help="name of the run (default: the space's, numbered)")
    add("--resume", type=Path, metavar="RUN", help="go on with this run's folder")
    add("--dry-run", action="store_true", help="print the resolved study and stop")
    return parser


def new_settings(given: argparse.Namespace) -> dict[str, Any]:
    """Return a new run's settings, all but its resources, checked before anything starts."""
    options = SpaceOptions(given.train_images, given.formulation or "edm", tuple(given.row or ()))
    space = load_space(given.space or DEFAULT_SPACE, options)
    objectives = check_objectives(tuple(given.objective or DEFAULT_OBJECTIVES))
    data_dir = _data_dir(given)
    dataset = load_dataset(given.dataset or DEFAULT_DATASET, data_dir, download=given.download)
    data = dataset.config()
    extractor = _extractor(given)
    features = build_extractor(data, extractor, dataset.class_names)
    return {
        "space": space.name,
        "train_images": options.train_images,
        "formulation": options.formulation,
        "rows": options.rows,
        "dataset": dataset.name,
        "data": vars(data),
        "objectives": objectives,
        "seed": given.seed or 0,
        "trials": given.trials or space.trials,
        "time_budget_seconds": given.time_budget,
        "fid_num_images": space.fid_num_images,
        "data_dir": None if data_dir is None else str(data_dir),
        "extractor": None if extractor is None else str(extractor),
        "extractor_sha256": features.sha256,
        "concurrent_trials": given.concurrent_trials,
        "cpus_per_trial": given.cpus_per_trial,
        "gpus_per_trial": given.gpus_per_trial,
    }


def resumed_settings(given: argparse.Namespace, resumed: RunSettings) -> dict[str, Any]:
    """Return a resumed run's settings with what may change of them, checked like new ones."""
    _check_resume(given, resumed)
    data_dir = _data_dir(given) or (Path(resumed.data_dir) if resumed.data_dir else None)
    dataset = load_dataset(resumed.dataset, data_dir, download=given.download)
    data = vars(dataset.config())
    if data != resumed.data:
        raise ValueError(
            f"dataset {resumed.dataset!r} has fingerprint {data['fingerprint']}, but the run has "
            f"{resumed.data.get('fingerprint')}; allowed: the data that the run began with"
        )
    extractor = None if resumed.extractor is None else Path(resumed.extractor)
    sha256 = build_extractor(dataset.config(), extractor, dataset.class_names).sha256
    if sha256 != resumed.extractor_sha256:
        raise ValueError(
            f"extractor {extractor or 'built in'} has SHA-256 {sha256[:16]}, but the run has "
            f"{resumed.extractor_sha256[:16]}; allowed: the features that the run began with"
        )
    gpus = resumed.gpus_per_trial if given.gpus_per_trial is None else given.gpus_per_trial
    return {
        **{name: getattr(resumed, name) for name in KEPT},
        "data_dir": None if data_dir is None else str(data_dir),
        "concurrent_trials": given.concurrent_trials or resumed.concurrent_trials,
        "trials": given.trials or resumed.trials,
        "time_budget_seconds": given.time_budget,
        "cpus_per_trial": given.cpus_per_trial or resumed.cpus_per_trial,
        "gpus_per_trial": gpus,
    }


def _data_dir(given: argparse.Namespace) -> Path | None:
    root = given.data_dir or os.environ.get(DATA_DIR_VARIABLE)
    return Path(root).expanduser().resolve() if root else None


def _extractor(given: argparse.Namespace) -> Path | None:
    return None if given.extractor is None else given.extractor.expanduser().resolve()


def _check_resume(given: argparse.Namespace, resumed: RunSettings) -> None:
    """Refuse settings that would make the resumed run another study."""
    for name in ("out", "name"):
        if getattr(given, name) is not None:
            raise ValueError(f"--{name} goes with a new run; --resume keeps the run's folder")
    extractor = _extractor(given)
    asked = {
        "space": given.space,
        "train_images": given.train_images,
        "formulation": given.formulation,
        "rows": None if given.row is None else tuple(given.row),
        "dataset": given.dataset,
        "extractor": None if extractor is None else str(extractor),
        "objectives": None if given.objective is None else tuple(given.objective),
        "seed": given.seed,
    }
    for name, value in asked.items():
        known = getattr(resumed, name)
        if value is not None and value != known:
            raise ValueError(f"{name} is {value!r}, but the run has {known!r}; allowed: the same")
