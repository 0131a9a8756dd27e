"""Where trials work: a run's settings name it, and a trial that shares nothing has its own."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_run import SETTINGS

from diffusion.recipe import Recipe
from search_spaces.stored import StoredBackbone
from study.evaluation.context import RunContext, TrialContext


def test_a_run_s_context_is_as_its_settings_say(tmp_path: Path) -> None:
    context = RunContext.of(tmp_path, replace(SETTINGS, data_dir="/data", threads=3))
    assert (context.trials_dir, context.store_dir) == (tmp_path / "trials", tmp_path / "backbones")
    assert (context.data_dir, context.threads, context.judges) == (Path("/data"), 3, True)
    for compiles in (False, True):
        told = replace(SETTINGS, compiles=compiles)
        assert RunContext.of(tmp_path, told).compiles == compiles
    moved = RunContext.of(tmp_path, replace(SETTINGS, data_dir="/data"), Path("/elsewhere"))
    assert moved.data_dir == Path("/elsewhere")


def test_models_are_timed_in_onnxruntime_where_it_is_aimed_at_or_limited(tmp_path: Path) -> None:
    aimed = replace(SETTINGS, objectives=("fid", "onnx_latency_ms"))
    limited = replace(SETTINGS, limits={"onnx_latency_ms": 5.0})
    asked = [RunContext.of(tmp_path, s).times_onnx for s in (aimed, limited, SETTINGS)]
    assert asked == [True, True, False]


def test_a_shared_store_is_where_the_settings_say(tmp_path: Path) -> None:
    context = RunContext.of(tmp_path, replace(SETTINGS, store="/shared"))
    assert context.store_dir == Path("/shared")


def test_a_run_that_compresses_what_is_stored_trains_none(
    tmp_path: Path, digit_recipe: Recipe
) -> None:
    parts = digit_recipe.network, digit_recipe.training, ("none",)
    stored = StoredBackbone(digit_recipe.backbone_key, *parts)
    assert RunContext.of(tmp_path, SETTINGS).trains
    assert not RunContext.of(tmp_path, replace(SETTINGS, backbones=(stored,))).trains


def test_a_trial_that_trains_anew_has_a_store_of_its_own(tmp_path: Path) -> None:
    for reuse, store in ((True, "backbones"), (False, "backbones/7")):
        context = RunContext.of(tmp_path, replace(SETTINGS, reuse=reuse))
        assert TrialContext(context, tmp_path / "trials" / "7").store_dir == tmp_path / store


def test_conditions_name_what_the_scores_hold_for(tmp_path: Path) -> None:
    conditions = RunContext.of(tmp_path, SETTINGS).conditions()
    assert (conditions["device"], conditions["threads"]) == ("cpu", 1)
    assert {"python", "torch", "numpy", "paretodiff"} <= conditions.keys()
    assert conditions["peak_memory_bytes"] > 2**20


@pytest.mark.parametrize(
    ("device", "gpus", "capped"),
    [("cuda", 0.25, [0.25]), ("cuda", 1.0, []), ("cuda", 2.0, []), ("cpu", 0.0, [])],
)
def test_a_trial_takes_no_more_of_a_shared_gpus_memory_than_its_share(
    device: str, gpus: float, capped: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No GPU is there: what torch would be told is looked at."""
    told: list[float] = []
    prepared: list[torch.device] = []
    monkeypatch.setattr("study.evaluation.context.prepare", prepared.append)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", told.append)
    settings = replace(SETTINGS, device=device, gpus_per_trial=gpus, threads=1)
    RunContext.of(tmp_path, settings).take_share()
    assert told == capped
    assert prepared == [torch.device(device)]
    assert torch.get_num_threads() == 1
