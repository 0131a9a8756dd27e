"""The store of cool-downs: one that was trained trains nothing, and counts its images once."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from diffusion.compress.package import read_package
from diffusion.recipe import CompressionConfig, Recipe
from study.evaluation.context import RunContext, TrialContext
from study.run import checkpoints
from study.run.cool_downs import CoolDownStore
from study.run.stores import check_store
from study.trial import evaluate


@pytest.fixture
def recipe(digit_recipe: Recipe) -> Recipe:
    compression = CompressionConfig(
        *("l1", 0.3),
        quantization="uniform",
        quantization_step=0.4,
        finetune_images=128,
        finetune_teacher=True,
    )
    return replace(digit_recipe, compression=compression)


def context(run: Path, number: int, on_progress: Any = lambda stage, share: None) -> TrialContext:
    scored = RunContext("mnist5k", None, run / "trials", run / "backbones", 40)
    return TrialContext(scored, scored.trials_dir / str(number), on_progress)


def cut(stage: str, share: float) -> None:
    if stage == "cool-down" and share >= 0.5:
        raise KeyboardInterrupt


def test_trials_share_a_cool_down_that_counts_once_over_all_attempts(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints.CheckpointFile, "due", lambda self: True)
    with pytest.raises(KeyboardInterrupt):
        evaluate(recipe, context(tmp_path, 0, cut))
    resumed = evaluate(recipe, context(tmp_path, 0))
    whole = evaluate(recipe, context(tmp_path / "whole", 0))
    shared = evaluate(recipe.with_changes({"sampling.steps": 4}), context(tmp_path, 1))
    assert resumed["trained_images"] == whole["trained_images"] == 64 + 128
    assert shared["trained_images"] == 0
    assert shared["finetune_seconds"] == resumed["finetune_seconds"] > 0
    folders = [tmp_path / "trials" / "0", tmp_path / "whole" / "trials" / "0"]
    first, second = (read_package(f / "model.pdm").network.state_dict() for f in folders)
    record_path = tmp_path / "backbones" / recipe.cool_down_key / "record.json"
    record = json.loads(record_path.read_text())
    assert record["backbone_key"] == recipe.backbone_key
    for name, value in first.items():
        assert torch.equal(value, second[name])
    for name, step in record["steps"].items():
        assert torch.equal(first[name], (first[name] / step).round() * step)
    check_store(tmp_path / "backbones")


def test_a_damaged_cool_down_is_set_aside_and_trained_anew(
    recipe: Recipe, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    evaluate(recipe, context(tmp_path, 0))
    found = CoolDownStore(tmp_path / "backbones").find(recipe)
    assert found is not None
    whole = found.file.read_bytes()
    found.file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert evaluate(recipe, context(tmp_path, 1))["trained_images"] == 128
    assert "is damaged (weights.safetensors): set aside, trained anew" in caplog.text
    assert found.file.read_bytes() == whole
