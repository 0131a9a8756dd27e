"""What a search says at its end: how the trials ended, and which model to begin with."""

import io
import shlex
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from small_run import run_of
from small_verification import record

from diffusion.recipe import Recipe
from search_spaces.stored import StoredBackbone
from study.display.summary import introduce, sum_up
from study.results.front import front_rows
from study.results.records import TrialRecord


def test_the_model_to_use_is_the_smallest_that_may_be_the_best(
    tmp_path: Path, digit_recipe: Recipe
) -> None:
    records = [
        record(0, 20.0, 100, digit_recipe),
        record(1, 11.6, 125_000, digit_recipe),
        record(2, 11.5, 1_730_000, digit_recipe),
        TrialRecord(3, "failed", None, reason="RuntimeError: boom [red]"),
    ]
    whole = {"fid_held_out": 12.0, "label_agreement": 0.5, "fid_noise": 600.0, "fid_floor": 1.0}
    seen = [r if r.scores is None else replace(r, scores={**r.scores, **whole}) for r in records]
    run, out = run_of(tmp_path / "my run", seen), io.StringIO()
    rows = front_rows(run.records, run.objectives)
    sum_up(run, rows, 75.0, Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    assert "4 of 5 trials finished, 1 failed, in 1 min 15 s" in lines
    assert "trial 3 failed: RuntimeError: boom [red]" in lines
    (use,) = (line for line in lines if line.startswith("use it"))
    assert str(run.folder / "front" / "pick") in shlex.split(use)
    assert "pick     02-1, the smallest model whose FID may be the lowest" in lines


def test_a_run_without_a_front_names_no_model(tmp_path: Path) -> None:
    out = io.StringIO()
    sum_up(run_of(tmp_path), [], 1.0, Console(file=out))
    assert "0 of 5 trials finished, 0 failed, in 1 s" in out.getvalue()
    assert "use it" not in out.getvalue()


def test_a_search_says_what_it_studies_and_on_what(tmp_path: Path) -> None:
    out = io.StringIO()
    introduce(run_of(tmp_path, (), {"size_bytes": 5e5}), Console(file=out, width=40))
    run, study, workers = out.getvalue().splitlines()
    assert run == f"run      {tmp_path}"
    assert "5 trials (0 finished), minimising fid and size_bytes, size_bytes at most" in study
    assert workers.endswith("2 at once on CPUs (no GPU asked for or found), 0.5 CPU each")


def test_a_search_says_which_stored_backbones_it_compresses(
    tmp_path: Path, digit_recipe: Recipe
) -> None:
    parts = digit_recipe.network, digit_recipe.training, ("none",)
    stored = tuple(StoredBackbone(f"{number:016x}", *parts) for number in range(7))
    out = io.StringIO()
    introduce(run_of(tmp_path, store="/store", backbones=stored), Console(file=out, width=40))
    *_, line = out.getvalue().splitlines()
    assert line.startswith("compress 0000000000000000 (mini_ddpm, 8-16, groups 1, 64 images), 00")
    assert line.count("mini_ddpm") == 5
    assert line.endswith("), 2 more of /store; none is trained")
