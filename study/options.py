"""The search's command line, and the settings that it asks for."""

import argparse
import os
from pathlib import Path
from typing import Any

from diffusion.data import DATA_DIR_VARIABLE, DATASET_NAMES, load_dataset
from diffusion.score.extractor import INCEPTION, ExtractorChoice, build_extractor
from search_spaces import SPACES, load_space
from search_spaces.space import SpaceOptions
from study import cli
from study.records import DEFAULT_OBJECTIVES, OBJECTIVES, check_limits, check_objectives
from study.scorable import check_scorable
from study.settings import RunSettings
from study.stores import check_store

DEFAULT_SPACE, DEFAULT_DATASET = "quick", "mnist5k"
DEFAULT_RETRIES = 2
# What makes a run the study that it is; a resume keeps them.
KEPT = (
    *("space", "train_images", "formulation", "rows", "dataset", "data"),
    *("extractor", "inception_weights", "extractor_sha256"),
    *("objectives", "limits", "seed", "reuse", "early_stopping", "fid_num_images"),
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
    add(
        "--extractor",
        metavar=f"{INCEPTION}|FILE",
        help="features to score by: the FID's Inception network (pip install "
        "'paretodiff[inception]'), or a file of python -m study.train_extractor (default: built "
        "in, for digits)",
    )
    add("--inception-weights", type=Path, metavar="FILE", help="(default: downloaded once)")
    add("--inception-sha256", metavar="HEX", help="of other weights than the published ones")
    add(
        "--objective",
        action="append",
        help=f"again for more; minimised: {_names(maximize=False)}; maximised: "
        f"{_names(maximize=True)} "
        f"(default {' and '.join(DEFAULT_OBJECTIVES)})",
    )
    add(
        "--max",
        action="append",
        type=cli.limit,
        metavar="SCORE=VALUE",
        help="what a model of the front may have at most, like size_bytes=500k; again for more",
    )
    add("--trials", type=cli.positive_int, help="finished trials to reach (default: the space's)")
    add("--time-budget", type=cli.seconds, help="start no trial after this long, like 30m or 2h")
    add(
        "--train-images-total",
        type=cli.whole_amount,
        help="start no trial once so many images were trained on, like 2M",
    )
    add(
        "--retries",
        type=cli.whole,
        help=f"how often a trial that breaks starts again (default {DEFAULT_RETRIES})",
    )
    add("--sweep-front", action="store_true", help="also compress the front's backbones by a grid")
    add("--no-early-stopping", action="store_true", help="train every backbone to its end")
    add("--no-reuse", action="store_true", help="train anew for every trial (without --store)")
    add("--seed", type=cli.seed, help="of the proposals (default 0)")
    add("--cpus-per-trial", type=cli.cpus, help="a trial's cores and threads (default 1)")
    add("--gpus-per-trial", type=cli.share, help="fractions share a GPU (default 1 if there are)")
    add("--concurrent-trials", type=cli.positive_int, help="at once (default: what fits)")
    add("--address", help="join this Ray cluster, like auto (default: this machine alone)")
    add(
        "--store", type=Path, help="folder of trained backbones, shared by runs (default: its own)"
    )
    add("--out", type=Path, help="folder of runs (default runs)")
    add("--name", help="name of the run (default: the space's, numbered)")
    add("--no-verify", action="store_true", help="do not score the front again at the end")
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
    limits = check_limits(given.max or ())
    check_scorable((*objectives, *limits), space, dataset, features)
    return {
        "space": space.name,
        "train_images": options.train_images,
        "formulation": options.formulation,
        "rows": options.rows,
        "dataset": dataset.name,
        "data": vars(data),
        "objectives": objectives,
        "limits": limits,
        "seed": given.seed or 0,
        "reuse": not given.no_reuse,
        # Whoever asks for named rows wants every one of them.
        "early_stopping": not given.no_early_stopping and not space.rows,
        "trials": given.trials or space.trials,
        "time_budget_seconds": given.time_budget,
        "train_images_total": given.train_images_total,
        "retries": DEFAULT_RETRIES if given.retries is None else given.retries,
        "sweep_front": given.sweep_front,
        "fid_num_images": space.fid_num_images,
        "data_dir": None if data_dir is None else str(data_dir),
        **_extractor_settings(extractor),
        "store": _store(given),
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
    extractor = resumed.extractor_choice()
    sha256 = build_extractor(dataset.config(), extractor, dataset.class_names).sha256
    if sha256 != resumed.extractor_sha256:
        raise ValueError(
            f"the built-in extractor has SHA-256 {sha256[:16]}, but the run has "
            f"{resumed.extractor_sha256[:16]}; allowed: the features that the run began with"
        )
    gpus = resumed.gpus_per_trial if given.gpus_per_trial is None else given.gpus_per_trial
    return {
        **{name: getattr(resumed, name) for name in KEPT},
        "data_dir": None if data_dir is None else str(data_dir),
        "store": _store(given, resumed),
        "concurrent_trials": given.concurrent_trials or resumed.concurrent_trials,
        "trials": given.trials or resumed.trials,
        "time_budget_seconds": given.time_budget,
        "train_images_total": given.train_images_total or resumed.train_images_total,
        "retries": resumed.retries if given.retries is None else given.retries,
        "sweep_front": resumed.sweep_front or given.sweep_front,
        "cpus_per_trial": given.cpus_per_trial or resumed.cpus_per_trial,
        "gpus_per_trial": gpus,
    }


def _names(*, maximize: bool) -> str:
    return ", ".join(o.name for o in OBJECTIVES.values() if o.maximize == maximize)


def _data_dir(given: argparse.Namespace) -> Path | None:
    root = given.data_dir or os.environ.get(DATA_DIR_VARIABLE)
    return Path(root).expanduser().resolve() if root else None


def _store(given: argparse.Namespace, resumed: RunSettings | None = None) -> str | None:
    """Return the shared store's folder, whole.

    Raises:
        ValueError: it cannot be a store of this version, or the run is to train anew.
    """
    anew = given.no_reuse or (resumed is not None and not resumed.reuse)
    if given.store is not None and anew:
        raise ValueError(
            f"--store is {str(given.store)!r}, but with --no-reuse every trial trains anew; "
            "allowed: one of the two"
        )
    known = None if resumed is None else resumed.store
    store = given.store or (Path(known) if known else None)
    if store is None:
        return None
    store = store.expanduser().resolve()
    check_store(store)
    return str(store)


def _extractor(given: argparse.Namespace) -> ExtractorChoice | None:
    """Return the extractor asked for, its files as whole paths; None for the built-in one."""
    weights, sha256 = given.inception_weights, given.inception_sha256
    if given.extractor == INCEPTION:
        weights = None if weights is None else weights.expanduser().resolve()
        return ExtractorChoice(INCEPTION, weights, None if sha256 is None else sha256.lower())
    for option, value in (("--inception-weights", weights), ("--inception-sha256", sha256)):
        if value is not None:
            raise ValueError(f"{option} is {str(value)!r}; allowed: with --extractor {INCEPTION}")
    if given.extractor is None:
        return None
    return ExtractorChoice(str(Path(given.extractor).expanduser().resolve()))


def _extractor_settings(extractor: ExtractorChoice | None) -> dict[str, str | None]:
    if extractor is None:
        return {"extractor": None, "inception_weights": None}
    weights = extractor.weights
    return {
        "extractor": extractor.source,
        "inception_weights": None if weights is None else str(weights),
    }


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
        **_extractor_settings(extractor),
        "extractor_sha256": None if extractor is None else extractor.sha256,
        "objectives": None if given.objective is None else tuple(given.objective),
        "limits": None if given.max is None else check_limits(given.max),
        "seed": given.seed,
        "reuse": False if given.no_reuse else None,
        "early_stopping": False if given.no_early_stopping else None,
    }
    for name, value in asked.items():
        known = getattr(resumed, name)
        if value is not None and value != known:
            raise ValueError(f"{name} is {value!r}, but the run has {known!r}; allowed: the same")
