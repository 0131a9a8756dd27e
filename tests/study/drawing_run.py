"""A run whose models draw images, though nobody trained them and their scores were made up."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import optuna
import torch
from small_run import SETTINGS
from small_scores import fake_scores
from torch import nn

from diffusion.compress.package import write_package
from diffusion.recipe import Recipe
from study.evaluation.pictures import save_grid
from study.run.files import write_json
from study.run.folder import JOURNAL_NAME
from study.run.run import Run
from study.run.settings import save_settings
from study.run.storage import StudyStorage
from study.verification.ending import write_run
from study.verification.file import Verification
from study.verification.point import Plan

# FID, bytes and label agreement; the second is beaten by the third.
MODELS = ((50.0, 1_000, 0.5), (30.0, 4_000, 0.7), (20.0, 3_000, 0.8), (12.0, 9_000, 0.95))
CLASSES = ("dog", "<b>cow</b>", "cat")
QUANTIZATIONS = ("linear4", "linear8", "weights8", "none")


def make_run(
    folder: Path,
    recipe: Recipe,
    network: nn.Module,
    models: Sequence[tuple[float, int, float]] = MODELS,
    **changes: Any,
) -> Path:
    """Write a run with its front.

    Args:
        folder: of the run, which is made.
        recipe: of all models but for their quantization; of three classes.
        network: of all of them.
        models: FID, bytes and label agreement of each.
        changes: of the usual settings.
    """
    folder.mkdir(parents=True)
    settings = replace(SETTINGS, data=dict(vars(recipe.data)), dataset="tiny", **changes)
    save_settings(folder, settings)
    storage = StudyStorage(folder / JOURNAL_NAME, settings.objectives, settings.limits)
    for (fid, size_bytes, agreement), quantization in zip(models, QUANTIZATIONS, strict=False):
        trial = storage.ask(optuna.samplers.RandomSampler(seed=0))
        made = recipe.with_changes({"compression.quantization": quantization})
        storage.accept(trial, made)
        sha256 = _write_trial(folder / "trials" / str(trial.number), made, network)
        scores = fake_scores(
            fid, size_bytes, label_agreement=agreement, package_sha256=sha256, fid_num_images=500
        )
        storage.complete(trial.number, scores, 1.5)
    write_run(Run.read(folder))
    return folder


def verify(
    folder: Path,
    fids: dict[int, float],
    num_images: int = 1_000,
    latency_ms: Mapping[int, float] = MappingProxyType({}),
) -> None:
    """Let a verification have found other FIDs and latencies of some trials, by their numbers."""
    verification = Verification.load(Run.read(folder))
    for number, fid in fids.items():
        drawn = {"fid_low": fid - 1, "fid_high": fid + 1, "fid_num_images": num_images}
        seeds = {
            seed: {**drawn, "fid": fid + k / 10, "label_agreement": 0.9}
            for k, seed in enumerate(Plan(num_images, 3).seeds)
        }
        verification.point(number).seeds[num_images] = seeds
        verification.point(number).latency_ms = latency_ms.get(number)
    verification.save()


def _write_trial(folder: Path, recipe: Recipe, network: nn.Module) -> str:
    """Write what a trial leaves, and return the hash of its model file."""
    folder.mkdir(parents=True)
    write_package(folder / "model.pdm", recipe, network)
    write_json(folder / "recipe.json", recipe.to_dict())
    write_json(folder / "classes.json", CLASSES)
    data = recipe.data
    images = torch.zeros(6, data.channels, data.image_size, data.image_size, dtype=torch.uint8)
    save_grid(images, 3, folder / "samples.png")
    return hashlib.sha256((folder / "model.pdm").read_bytes()).hexdigest()
