"""The store of cool-downs: one that was trained trains nothing, and counts its images once."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from diffusion.compress.package import read_package
from diffusion.compress.uniform import covered_names, relative_steps
from diffusion.data import ImageDataset
from diffusion.errors import DataUnavailable
from diffusion.networks import build_network
from diffusion.recipe import CompressionConfig, Recipe
from study.engine.worker import run_trial
from study.evaluation.context import RunContext, TrialContext
from study.run import checkpoints
from study.run.cool_downs import CoolDownStore, KeptCoolDown
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
    run.mkdir(exist_ok=True)
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


@pytest.fixture
def tiny(tiny_recipe: Recipe) -> Recipe:
    compression = CompressionConfig(
        quantization="uniform", quantization_step=0.4, finetune_images=64, finetune_batch_size=16
    )
    return replace(tiny_recipe, compression=compression)


def obtain(root: Path, recipe: Recipe, dataset: ImageDataset) -> tuple[KeptCoolDown, list[int]]:
    """Return a recipe's cool-down in a store, and the images that it was told of."""
    network, told = build_network(recipe.network, recipe.data), list[int]()
    found = CoolDownStore(root).obtain(
        recipe,
        network,
        lambda: build_network(recipe.network, recipe.data),
        lambda: relative_steps(network, recipe.compression.quantization_step),
        dataset,
        told.append,
    )
    return found, told


def with_steps(record: dict[str, Any], change: Any) -> dict[str, Any]:
    """Return a record with other steps in the line of its snapshot."""
    snapshots = {images: change(line) for images, line in record["snapshots"].items()}
    return {**record, "snapshots": snapshots}


def first_step(value: Any) -> Any:
    def change(line: dict[str, Any]) -> dict[str, Any]:
        steps = dict(line["steps"])
        name = next(iter(steps))
        return {**line, "steps": {**steps, name: value(steps[name])}}

    return change


DAMAGE = {
    "none": lambda line: {**line, "steps": None},
    "no steps": lambda line: {n: v for n, v in line.items() if n != "steps"},
    "a list": lambda line: {**line, "steps": list(line["steps"].values())},
    "one too few": lambda line: {**line, "steps": dict([*line["steps"].items()][1:])},
    "another name": lambda line: {**line, "steps": {**line["steps"], "out.bias": 0.5}},
    "a text": first_step(str),
    "a truth": first_step(lambda step: True),
    "zero": first_step(lambda step: 0.0),
    "negative": first_step(lambda step: -step),
    "infinite": first_step(lambda step: float("inf")),
    "no number": first_step(lambda step: float("nan")),
    "next to nothing": first_step(lambda step: 5e-324),
    "off the grid": first_step(lambda step: step * 1.001),
    "another step": first_step(lambda step: step * 1.25),
}


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE)
def test_steps_that_the_weights_do_not_have_are_set_aside(
    tiny: Recipe,
    tiny_dataset: ImageDataset,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: Any,
) -> None:
    before, _ = obtain(tmp_path, tiny, tiny_dataset)
    path = tmp_path / tiny.cool_down_key / "record.json"
    path.write_text(json.dumps(with_steps(json.loads(path.read_text()), change)))
    again, told = obtain(tmp_path, tiny, tiny_dataset)
    assert told[-1] == 64, "trained anew"
    assert again.steps == before.steps
    assert "set aside" in caplog.text


def test_a_whole_cool_down_is_found_by_all_that_draw_otherwise(
    tiny: Recipe, tiny_dataset: ImageDataset, tmp_path: Path
) -> None:
    first, told = obtain(tmp_path, tiny, tiny_dataset)
    shared, none = obtain(tmp_path, tiny.with_changes({"sampling.guidance": 1.5}), tiny_dataset)
    assert (told[0], told[-1], none) == (0, 64, [])
    assert shared == first
    other, anew = obtain(
        tmp_path, tiny.with_changes({"compression.quantization_step": 0.5}), tiny_dataset
    )
    assert other.file != first.file
    assert anew[-1] == 64


@pytest.mark.parametrize("target", ["elsewhere", "missing"])
def test_a_link_in_the_place_of_a_folder_is_refused(
    tiny: Recipe, tiny_dataset: ImageDataset, tmp_path: Path, target: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / tiny.cool_down_key).symlink_to(tmp_path / target)
    with pytest.raises(DataUnavailable, match=r"cool-down folder .* is a link; allowed: a folder"):
        obtain(tmp_path / "store", tiny, tiny_dataset)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert not (tmp_path / "missing").exists()


def test_steps_that_leave_no_weights_are_a_trials_failure(
    digit_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[dict[str, Any]] = []
    monkeypatch.setattr("diffusion.compress.original.steps_by", far_too_large)
    for images in (0, 64):
        compression = CompressionConfig(
            quantization="uniform", quantization_step=16.0, finetune_images=images
        )
        recipe = replace(digit_recipe, compression=compression)
        run_trial(0, recipe, (), evaluate, context(tmp_path, 0).run, reports.append)
        assert reports[-1]["reason"] == (
            "InvalidRecipe: compression.quantization_step is 16, which rounds all weights to 0; "
            "allowed: a smaller step"
        )


def far_too_large(sensitivities: Any, network: nn.Module, *given: Any) -> dict[str, float]:
    return dict.fromkeys(covered_names(network), 1024.0)
