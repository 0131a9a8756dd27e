"""Stored backbones compressed for real: none is ever trained, whatever becomes of the store."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from refusals import Refused
from small_run import SETTINGS
from small_store import contents, keep

from diffusion.data import load_dataset
from diffusion.recipe import Recipe
from search_spaces.stored import StoredBackbone
from study.evaluation.context import RunContext, TrialContext
from study.results.records import TrialRecord
from study.run import backbones
from study.run.backbones import BackboneStore
from study.run.key_folder import SnapshotUnavailable
from study.run.settings import RunSettings, save_settings
from study.run.storage import StudyStorage
from study.trial import evaluate
from study.verify import main as verify


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_trial_of_a_run_that_trains_none_names_what_is_gone(
    damage: str, digit_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backbones, "train", None)  # calling it would raise
    store = tmp_path / "backbones"
    if damage == "damaged":
        (keep(store, digit_recipe) / "64" / "ema_mid.safetensors").write_bytes(b"x")
    before = contents(store)
    run = RunContext("mnist5k", None, tmp_path / "trials", store, 10, trains=False)
    with pytest.raises(SnapshotUnavailable, match=f"{digit_recipe.backbone_key}.* is {damage}"):
        evaluate(digit_recipe, TrialContext(run, tmp_path / "trials" / "0"))
    assert contents(store) == before


def test_its_backbones_are_not_trained_again_to_verify_them(
    digit_recipe: Recipe, tmp_path: Path, refused: Refused
) -> None:
    parts = digit_recipe.network, digit_recipe.training, ("none",)
    stored = (StoredBackbone(digit_recipe.backbone_key, *parts),)
    changes = {"space": "compress", "space_edition": 3, "data": dict(vars(digit_recipe.data))}
    settings = replace(SETTINGS, store=str(tmp_path), backbones=stored, **changes)
    save_settings(tmp_path, settings)
    line = refused(lambda: verify([str(tmp_path), "--replicates", "2"]))
    assert "--replicates is 2, but space 'compress' trains none; allowed: without it" in line


def search(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "study.search", *arguments, "--no-verify"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def records(run: Path) -> list[TrialRecord]:
    storage = StudyStorage(run / "study.journal", RunSettings.load(run).objectives)
    return [record for record in storage.records() if record.finished]


@pytest.mark.slow
def test_a_study_of_a_store_trains_nothing_and_stops_where_a_snapshot_is_gone(
    with_groups: Callable[[int], Recipe], tmp_path: Path
) -> None:
    store, run, dataset = tmp_path / "store", tmp_path / "run", load_dataset("mnist5k")
    keys = sorted(with_groups(groups).backbone_key for groups in (1, 2))
    for groups in (1, 2):
        cpu = torch.device("cpu")
        BackboneStore(store).obtain(with_groups(groups), dataset, cpu, lambda images: None)
    before = contents(store)
    options = ["--space", "compress", "--store", str(store), "--trials", "3"]
    out = search(*options, "--out", str(tmp_path), "--name", "run")
    assert f"compress {keys[0]} (mini_ddpm, 8-16, groups" in out.stdout, out.stderr
    done = records(run)
    assert [record.state for record in done] == ["complete"] * 3
    assert {r.recipe.backbone_key for r in done if r.recipe is not None} == set(keys)
    assert {(r.scores or {})["trained_images"] for r in done} == {0}
    assert contents(store).items() - before.items() == {("store.json", b'{\n  "format": 1\n}\n')}

    shutil.rmtree(store / keys[1] / "64")
    out = search("--resume", str(run), "--trials", "5")
    assert out.returncode == 2
    assert out.stderr == (
        f"error: backbone {keys[1]}: its snapshot after 64 images is missing in store {store}; "
        "allowed: the one that the run began with, which trains none\n"
    )
    assert not (store / keys[1] / "64").exists()
    assert len(records(run)) == 3
