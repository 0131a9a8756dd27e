"""What a search's command line asks for, as settings."""

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffusion.data import load_dataset
from diffusion.dataset_names import DATA_DIR_VARIABLE, resolve_name, sized_name, split_size
from diffusion.files import whole_path
from diffusion.recipe import DataConfig
from diffusion.score.choose_extractor import build_extractor, is_built_in
from search_spaces.space import SearchSpace, SpaceOptions
from study.cli.compressing import check_compressing, with_backbones
from study.cli.extractor_choice import extractor_choice, extractor_settings
from study.cli.loggers_choice import logger_settings
from study.cli.parser import AUTO
from study.cli.scorable import scorable_features
from study.cli.search_options import (
    DEFAULT_DATASET,
    DEFAULT_RETRIES,
    DEFAULT_SPACE,
    SPACE_OF_OTHERS,
)
from study.cli.space_choice import check_own_space, run_space, space_choice
from study.cli.storage_choice import storage_choice
from study.results.limits import check_limits, floor, scores_of
from study.results.objectives import DEFAULT_OBJECTIVES, check_objectives
from study.run.settings import RunSettings
from study.run.stored_backbones import check_backbones
from study.run.stores import check_store
from study.run.time_budget import total_seconds

THIS_MACHINE = "local"
# What makes a run the study that it is; a resume keeps them.
KEPT = (
    *("space", "space_sha256", "space_edition"),
    *("train_images", "formulation", "rows", "backbones"),
    *("dataset", "data"),
    *("extractor", "inception_weights", "extractor_sha256"),
    *("objectives", "limits", "seed", "reuse", "early_stopping", "fid_num_images"),
    *("study_name", "precision", "drawing_precision"),
)
# Each finished trial was judged by them, which the search goes on from.
_PICKED = ", or from what is finished: python -m study.pick RUN --max size_bytes=100k --min ..."
OTHERWISE = {"limits": _PICKED, "objectives": _PICKED}


def new_settings(given: argparse.Namespace) -> dict[str, Any]:
    """Return a new run's settings, all but its resources, checked before anything starts."""
    choice = space_choice(given.space or DEFAULT_SPACE)
    options = SpaceOptions(given.train_images, given.formulation or "edm", tuple(given.row or ()))
    compresses = check_compressing(given, choice.name, options)
    if not compresses:
        choice.make(options)  # what is wrong with it is said before any data is read
    objectives = check_objectives(tuple(given.objective or DEFAULT_OBJECTIVES))
    limits = _limits(given)
    storage, loggers = storage_choice(given.storage), logger_settings(given.log)
    data_dir = _data_dir(given)
    name = sized_name(given.dataset or DEFAULT_DATASET, given.image_size)
    dataset = load_dataset(name, data_dir, download=given.download)
    data, store = dataset.config(), _store(given)
    if given.space is None and not is_built_in(data):
        choice = space_choice(SPACE_OF_OTHERS)
    if compresses:
        options = with_backbones(options, given, data)
    space = choice.make(options)
    if choice.sha256 is not None:
        check_own_space(space, data)
    scores = (*objectives, *scores_of(limits))
    extractor, features = scorable_features(given, scores, space, dataset)
    return {
        "space": space.name,
        "space_sha256": choice.sha256,
        "space_edition": space.edition,
        "train_images": options.train_images,
        "formulation": options.formulation,
        "rows": options.rows,
        "backbones": options.backbones,
        "dataset": dataset.name,
        "data": vars(data),
        "objectives": objectives,
        "limits": limits,
        "seed": given.seed or 0,
        "reuse": not given.no_reuse,
        # Whoever asks for named rows wants every one of them; stored trainings are at their end.
        "early_stopping": not (given.no_early_stopping or space.rows or compresses),
        "compiles": not given.no_compile,
        "trials": given.trials or space.trials,
        "time_budget_seconds": given.time_budget,
        "train_images_total": given.train_images_total,
        "retries": DEFAULT_RETRIES if given.retries is None else given.retries,
        "fid_num_images": space.fid_num_images,
        "data_dir": None if data_dir is None else str(data_dir),
        **extractor_settings(extractor),
        **_precisions(given.precision, space),
        "store": store,
        "extractor_sha256": features.sha256,
        "concurrent_trials": given.concurrent_trials or None,
        "cpus_per_trial": given.cpus_per_trial,
        "gpus_per_trial": given.gpus_per_trial,
        "address": choose_address(given.address, None),
        "storage": storage,
        **loggers,
    }


def resumed_settings(given: argparse.Namespace, resumed: RunSettings) -> dict[str, Any]:
    """Return a resumed run's settings with what may change of them, checked like new ones."""
    _check_resume(given, resumed)
    resumed = replace(resumed, storage=storage_choice(given.storage, resumed))
    data_dir = _data_dir(given) or (Path(resumed.data_dir) if resumed.data_dir else None)
    dataset = load_dataset(resumed.dataset, data_dir, download=given.download)
    data = dataset.config()
    # Compared without the pixels' statistics: the run keeps those that it began with.
    if data != DataConfig.from_dict(resumed.data):
        raise ValueError(
            f"dataset {resumed.dataset!r} has fingerprint {data.fingerprint}, but the run has "
            f"{resumed.data.get('fingerprint')}; allowed: the data that the run began with"
        )
    store = _store(given, resumed)
    if store is not None:
        check_backbones(Path(store), resumed.backbones, data)
    extractor = resumed.extractor_choice()
    sha256 = build_extractor(data, extractor, dataset.class_names).sha256
    if sha256 != resumed.extractor_sha256:
        raise ValueError(
            f"the built-in extractor has SHA-256 {sha256[:16]}, but the run has "
            f"{resumed.extractor_sha256[:16]}; allowed: the features that the run began with"
        )
    gpus, at_once = given.gpus_per_trial, given.concurrent_trials
    return {
        **{name: getattr(resumed, name) for name in (*KEPT, "storage")},
        **logger_settings(given.log, resumed),
        "data_dir": None if data_dir is None else str(data_dir),
        "store": store,
        "concurrent_trials": (resumed.concurrent_trials_asked if at_once is None else at_once)
        or None,
        "compiles": resumed.compiles and not given.no_compile,
        "trials": given.trials or resumed.trials,
        "time_budget_seconds": total_seconds(given.resume, resumed, given.time_budget),
        "train_images_total": given.train_images_total or resumed.train_images_total,
        "retries": resumed.retries if given.retries is None else given.retries,
        "cpus_per_trial": given.cpus_per_trial or resumed.cpus_per_trial,
        "gpus_per_trial": resumed.gpus_per_trial if gpus is None else gpus,
        "address": choose_address(given.address, resumed.address),
    }


def choose_address(given: str | None, known: str | None) -> str | None:
    """Return the cluster's address that is asked for, or else a run's; None for no cluster."""
    if given is None:
        return known
    return None if given == THIS_MACHINE else given


def _dataset_name(given: argparse.Namespace, known: str) -> str:
    """Return the data that a resume names; what it does not say is as the run has it."""
    plain, image_size = split_size(known)
    name = given.dataset or plain
    asked = given.image_size or split_size(name)[1] or image_size
    return resolve_name(sized_name(name, asked))


def _limits(given: argparse.Namespace) -> dict[str, float]:
    """Return the limits that are asked for, by their keys."""
    floors = ((floor(name), least) for name, least in given.min or ())
    return check_limits((*(given.max or ()), *floors))


def _data_dir(given: argparse.Namespace) -> Path | None:
    root = given.data_dir or os.environ.get(DATA_DIR_VARIABLE)
    return whole_path(root) if root else None


def _precisions(asked: str | None, space: SearchSpace) -> dict[str, str | None]:
    """Return the precisions of a new run; "auto" stands for what the hardware is quick in."""
    if asked in (None, AUTO):
        # Whoever asks for named rows wants them as they are.
        as_it_is = asked is None and bool(space.rows)
        return {"precision": None, "drawing_precision": None if as_it_is else AUTO}
    return {"precision": asked, "drawing_precision": None}


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
    store = whole_path(store)
    check_store(store)
    return str(store)


def _check_resume(given: argparse.Namespace, resumed: RunSettings) -> None:
    """Refuse settings that would make the resumed run another study."""
    for name in ("out", "name"):
        if getattr(given, name) is not None:
            raise ValueError(f"--{name} goes with a new run; --resume keeps the run's folder")
    if given.backbone is not None:
        raise ValueError("--backbone goes with a new run; --resume keeps the run's backbones")
    extractor = extractor_choice(given)
    asked = {
        "space": given.space if resumed.space_sha256 is None else None,
        "train_images": given.train_images,
        "formulation": given.formulation,
        "rows": None if given.row is None else tuple(given.row),
        "dataset": _dataset_name(given, resumed.dataset),
        **extractor_settings(extractor),
        "extractor_sha256": None if extractor is None else extractor.sha256,
        "objectives": None if given.objective is None else tuple(given.objective),
        "limits": _limits(given) or None,
        "seed": given.seed,
        "reuse": False if given.no_reuse else None,
        "early_stopping": False if given.no_early_stopping else None,
        "precision": None if given.precision == AUTO else given.precision,
    }
    if (edition := run_space(resumed, given.space).edition) != resumed.space_edition:
        raise ValueError(
            f"space {resumed.space!r} is of edition {resumed.space_edition} in the run, but of "
            f"{edition} now; allowed: a new run (--store {Path(given.resume) / 'backbones'} keeps "
            "its trainings), or the version that the run began with"
        )
    for name, value in asked.items():
        if value is not None and value != (known := getattr(resumed, name)):
            other = OTHERWISE.get(name, "")
            raise ValueError(
                f"{name} is {value!r}, but the run has {known!r}; allowed: the same{other}"
            )
