"""A worker's reports of one trial: every way that it may end."""

import errno
import json
import logging
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from injected import tabulated
from small_studies import DATA, QUICK

from diffusion.errors import (
    DataUnavailable,
    InfeasibleRecipe,
    InvalidRecipe,
    MetricUndefined,
    PackageError,
    TrainingDiverged,
)
from diffusion.recipe import Recipe
from study.engine import worker
from study.engine.worker import failure_reason, run_trial
from study.evaluation.context import RunContext, TrialContext
from study.results.objectives import Scores
from study.run.key_folder import SnapshotUnavailable
from study.run.mark import mark

BEGIN = {"stage": "start", "share": 0.0, "trained_images": None}
RECIPE = QUICK.recipe(QUICK.covering[0], DATA)


def context(folder: Path) -> RunContext:
    return RunContext("mnist5k", None, folder / "trials", folder / "backbones", 10)


def reports(folder: Path, evaluate: worker.Evaluate, **changes: Any) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    run_trial(7, RECIPE, (), evaluate, replace(context(folder), **changes), made.append)
    return made


def raising(error: Exception) -> worker.Evaluate:
    def evaluate(recipe: Recipe, context: TrialContext) -> Scores:
        raise error

    return evaluate


def test_scores_are_the_last_report_and_belong_to_the_trials_own_folder(tmp_path: Path) -> None:
    made = reports(tmp_path, tabulated)
    assert json.loads(made[-1]["scores"])["fid"] > 0
    assert (tmp_path / "trials" / "7" / "model.pdm").exists()


def test_warnings_reach_the_driver_and_only_those_of_the_trial(tmp_path: Path) -> None:
    def warning(recipe: Recipe, context: TrialContext) -> Scores:
        logging.getLogger("study.run.backbones").warning("backbone %s is damaged", "x")
        logging.getLogger("study").info("all is well")
        return tabulated(recipe, context)

    for _ in range(2):  # a worker runs many trials
        made = reports(tmp_path, warning)
        assert [r for r in made if "warning" in r] == [{"warning": "backbone x is damaged"}]
    logging.getLogger("study").warning("after the trial")
    assert len([r for r in made if "warning" in r]) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TrainingDiverged("loss nan"), "TrainingDiverged: loss nan"),
        (MetricUndefined("no images"), "MetricUndefined: no images"),
        (InvalidRecipe("steps is 0"), "InvalidRecipe: steps is 0"),
        (InfeasibleRecipe("groups is 3"), "InfeasibleRecipe: groups is 3"),
    ],
)
def test_what_would_only_repeat_itself_is_a_reason_and_not_raised(
    tmp_path: Path, error: Exception, reason: str
) -> None:
    assert reports(tmp_path, raising(error)) == [{"reason": reason, **BEGIN}]
    assert reason in (tmp_path / "trials" / "7" / "log.txt").read_text()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("boom"), "RuntimeError: boom"),
        (ValueError("not enough values to unpack"), "ValueError: not enough values to unpack"),
        (PackageError("model.pdm is damaged"), "PackageError: model.pdm is damaged"),
        (DataUnavailable("no server"), "DataUnavailable: no server"),
        (json.JSONDecodeError("torn", "{", 1), "JSONDecodeError: torn: line 1 column 2 (char 1)"),
        (OSError(errno.EIO, "I/O error"), "OSError: [Errno 5] I/O error"),
        (MemoryError("no more"), "OutOfMemory: no more"),
        (torch.OutOfMemoryError("CUDA out of memory"), "OutOfMemory: CUDA out of memory"),
    ],
)
def test_what_another_attempt_may_mend_is_reported_and_raised(
    tmp_path: Path, error: Exception, reason: str
) -> None:
    made: list[dict[str, Any]] = []
    with pytest.raises(type(error)):
        run_trial(7, RECIPE, (), raising(error), context(tmp_path), made.append)
    assert made == [{"attempt": reason, **BEGIN}]
    log = (tmp_path / "trials" / "7" / "log.txt").read_text()
    assert "Traceback" in log
    assert type(error).__name__ in log


def test_torchs_own_error_on_the_cpu_is_told_to_be_memory() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert failure_reason(caught.value).startswith("OutOfMemory: ")
    assert failure_reason(RuntimeError("boom")) == "RuntimeError: boom"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_halts(tmp_path: Path, number: int) -> None:
    made = reports(tmp_path, raising(OSError(number, "full")))
    assert [list(report) for report in made] == [["halt"]]


def test_a_stored_backbone_that_is_gone_halts_and_is_named(tmp_path: Path) -> None:
    made = reports(tmp_path, raising(SnapshotUnavailable("backbone x is missing")))
    assert made == [{"halt": "SnapshotUnavailable: backbone x is missing"}]


def test_rungs_are_reported_only_where_trainings_are_judged(tmp_path: Path) -> None:
    def evaluate(recipe: Recipe, context: TrialContext) -> Scores:
        if context.on_rung is not None:
            context.on_rung(16_000, {"fid": 5.0})
        return {"fid": 1.0}

    assert len(reports(tmp_path, evaluate, judges=False)) == 1
    first, _ = reports(tmp_path, evaluate, judges=True)
    assert first == {"rung": 16_000, "rung_scores": '{"fid": 5.0}'}


def test_progress_is_reported_once_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.25]
    monkeypatch.setattr(worker.time, "monotonic", lambda: clock[0])

    def evaluate(recipe: Recipe, context: TrialContext) -> Scores:
        for step in range(8):  # over 2.4 seconds
            context.on_trained(100 * step)
            context.on_progress("train", step / 8)
            clock[0] += 0.3
        return {}

    *progress, _ = reports(tmp_path, evaluate)
    assert progress == [
        {"stage": "train", "share": step / 8, "trained_images": 100 * step} for step in (0, 4)
    ]


@pytest.mark.parametrize(("error", "end"), [(TrainingDiverged, "reason"), (OSError, "attempt")])
def test_a_failure_tells_on_how_many_images_the_trial_was_trained(
    tmp_path: Path, error: type[Exception], end: str
) -> None:
    def evaluate(recipe: Recipe, context: TrialContext) -> Scores:
        for images in (0, 4_096):
            context.on_trained(images)
            context.on_progress("train", images / 8_192)
        raise error("boom")

    made: list[dict[str, Any]] = []
    with suppress(OSError):
        run_trial(7, RECIPE, (), evaluate, context(tmp_path), made.append)
    last = {"stage": "train", "share": 0.5, "trained_images": 4_096}
    assert made[-1] == {end: f"{error.__name__}: boom", **last}


@pytest.mark.parametrize(("reuse", "store"), [(True, "backbones"), (False, "backbones/7")])
def test_without_reuse_a_trial_has_a_store_of_its_own(
    tmp_path: Path, reuse: bool, store: str
) -> None:
    stores: list[Path] = []

    def evaluate(recipe: Recipe, context: TrialContext) -> Scores:
        stores.append(context.store_dir)
        return {}

    reports(tmp_path, evaluate, reuse=reuse)
    assert stores == [tmp_path / store]


def test_a_log_is_not_written_through_a_link(tmp_path: Path) -> None:
    log, outside = tmp_path / "trials" / "7" / "log.txt", tmp_path / "outside"
    log.parent.mkdir(parents=True)
    outside.write_text("mine")
    log.symlink_to(outside)
    reports(tmp_path, raising(MetricUndefined("fid is nan")))
    assert outside.read_text() == "mine"
    assert "fid is nan" in log.read_text()


def test_what_was_screened_is_reported_before_the_scores(tmp_path: Path) -> None:
    def evaluate(recipe: Recipe, context: TrialContext) -> Scores:
        context.on_screened([{"recipe_key": other.key} for other in context.to_screen])
        return {"fid": 1.0}

    made: list[dict[str, Any]] = []
    run_trial(7, RECIPE, [RECIPE], evaluate, context(tmp_path), made.append)
    assert [list(report) for report in made] == [["screened"], ["scores"]]
    assert json.loads(made[0]["screened"]) == [{"recipe_key": RECIPE.key}]


def test_a_worker_that_does_not_see_the_run_begins_nothing_and_halts_the_study(
    tmp_path: Path,
) -> None:
    made = reports(tmp_path, raising(AssertionError("it began")), mark="of another folder")
    assert [set(report) for report in made] == [{"halt"}]
    assert "FolderUnseen: machine " in made[0]["halt"]
    assert f"does not see {tmp_path}; allowed: a folder on a disk" in made[0]["halt"]
    assert list(tmp_path.iterdir()) == []
    text = mark(tmp_path)
    assert "scores" in reports(tmp_path, tabulated, mark=text)[-1]


@pytest.mark.parametrize("told", ["progress", "rung", "screened"])
def test_a_trial_of_an_earlier_driver_ends_at_what_it_tells_next(
    told: str, tmp_path: Path
) -> None:
    first = mark(tmp_path)

    def evaluate(recipe: Recipe, context: TrialContext) -> Scores:
        mark(tmp_path)  # a resume on another machine, which this one's driver does not know of
        if told == "progress":
            context.on_progress("train", 0.5)
        elif told == "screened":
            context.on_screened([])
        elif context.on_rung is not None:
            context.on_rung(16_000, {})
        raise AssertionError("it went on")

    made = reports(tmp_path, evaluate, mark=first, judges=True)
    assert [set(report) for report in made] == [{"halt"}]
    assert "driver 1 of " in made[0]["halt"]
    assert "was followed by driver 2" in made[0]["halt"]
