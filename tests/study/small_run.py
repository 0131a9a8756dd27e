"""Runs for tests: settings of a small study, with any trials in it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffusion.score.digits import DIGITS_SHA256
from search_spaces import load_space
from study.results.records import TrialRecord
from study.run.run import Run
from study.run.settings import RunSettings

DATA = {"name": "mnist5k", "image_size": 28, "channels": 1, "num_classes": 10, "fingerprint": ""}
SETTINGS = RunSettings(
    space="quick",
    train_images=None,
    formulation="edm",
    rows=(),
    dataset="mnist5k",
    data=DATA,
    objectives=("fid", "size_bytes"),
    limits={},
    seed=3,
    reuse=True,
    early_stopping=True,
    trials=5,
    time_budget_seconds=1.5,
    train_images_total=None,
    retries=2,
    fid_num_images=500,
    data_dir=None,
    extractor=None,
    inception_weights=None,
    store=None,
    extractor_sha256=DIGITS_SHA256,
    cpus_per_trial=0.5,
    gpus_per_trial=0.0,
    concurrent_trials=2,
    threads=1,
    device="cpu",
    space_edition=load_space("quick").edition,
)


def run_of(
    folder: Path,
    records: Sequence[TrialRecord] = (),
    limits: Mapping[str, float] | None = None,
    **changes: Any,
) -> Run:
    """Return a run with these trials, and what differs from the usual settings."""
    settings = replace(SETTINGS, limits=dict(limits or {}), **changes)
    return Run(folder, settings, tuple(records))
