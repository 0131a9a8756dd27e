"""What a worker does for a verification: failures are lines, and do not spoil the others."""

from dataclasses import replace
from pathlib import Path

import pytest
from small_run import SETTINGS

from diffusion.errors import (
    DataUnavailable,
    InfeasibleRecipe,
    MetricUndefined,
    PackageError,
    TrainingDiverged,
)
from diffusion.recipe import Recipe
from study.evaluation.context import RunContext, TrialContext
from study.results.objectives import Scores
from study.verification.tasks import Failure, Work, score_one, time_one, train_group


@pytest.mark.parametrize(
    ("kind", "lasting"),
    [
        *((kind, True) for kind in (PackageError, MetricUndefined, TrainingDiverged)),
        (InfeasibleRecipe, True),
        *((kind, False) for kind in (OSError, DataUnavailable, ValueError, RuntimeError)),
    ],
)
def test_a_failure_lasts_when_it_is_the_models_own(kind: type[Exception], lasting: bool) -> None:
    failure = Failure.of(kind("two\n  lines"))
    assert failure == Failure(f"{kind.__name__}: two lines", lasting)


def evaluate(recipe: Recipe, context: TrialContext) -> Scores:
    if context.trial_dir.name == "4-2":
        raise TrainingDiverged("loss nan")
    return {"fid": 3.0, "fid_num_images": context.run.fid_num_images}


def rescore(trial_dir: Path, seed: int, context: RunContext) -> Scores:
    return {"folder": trial_dir.name, "seed": seed, "fid_num_images": context.fid_num_images}


def rescore_latency(trial_dir: Path, context: RunContext) -> float:
    return float(trial_dir.name)


WORK = Work(evaluate, rescore, rescore_latency)


def test_a_recipe_that_fails_leaves_the_others_of_its_backbone_trained(
    tmp_path: Path, digit_recipe: Recipe
) -> None:
    recipes = dict.fromkeys((3, 4, 5), digit_recipe)
    outcomes = train_group((2, recipes), WORK, RunContext.of(tmp_path, SETTINGS), 2_000)
    assert outcomes[4] == Failure("TrainingDiverged: loss nan", lasting=True)
    assert outcomes[3] == outcomes[5] == {"fid": 3.0, "fid_num_images": 2_000}


def test_a_trial_is_drawn_from_with_the_seed_and_the_images_of_the_task(tmp_path: Path) -> None:
    context = RunContext.of(tmp_path, SETTINGS)
    scores = score_one((7, 1_010), WORK, context, 2_000)
    assert scores == {"folder": "7", "seed": 1_010, "fid_num_images": 2_000}
    assert time_one(7, WORK, context) == {"latency_ms": 7.0}


def test_a_model_is_timed_in_onnxruntime_too_where_the_study_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = "diffusion.score.onnx_latency.measure_onnx_latency_ms"
    monkeypatch.setattr(measured, lambda package, threads: float(package.parent.name) / 2)
    context = replace(RunContext.of(tmp_path, SETTINGS), times_onnx=True)
    assert time_one(7, WORK, context) == {"latency_ms": 7.0, "onnx_latency_ms": 3.5}
