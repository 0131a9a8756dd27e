"""What a person reads: lines that carry the facts, in a terminal and outside one."""

import io
import platform
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from diffusion.recipe import Recipe
from study.display.live import LiveView
from study.results.records import TrialRecord
from study.results.words import format_bytes, format_seconds, name_recipe


def view(recipe: Recipe, terminal: bool, trials: int = 4) -> tuple[LiveView, io.StringIO]:
    """Return a view of a study that has one finished trial already, and what it writes."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=80)
    old = TrialRecord(0, "complete", recipe, {"fid": 40.0, "size_bytes": 3_000_000})
    return LiveView(console, trials, [old, TrialRecord(9, "running", recipe)]), out


def complete(number: int, recipe: Recipe, fid: float, size: int, **others: Any) -> TrialRecord:
    scores = {"fid": fid, "size_bytes": size, **others}
    return TrialRecord(number, "complete", recipe, scores)


def test_lines_outside_a_terminal_tell_all_but_progress(
    digit_recipe: Recipe,
) -> None:
    live, out = view(digit_recipe, terminal=False)
    with live:
        live.on_start(7, digit_recipe)
        live.on_progress(7, "train", 0.5)
        live.on_rung(7, 16_000, {"fid": 123.44})
        live.on_rung(7, 32_000, {})
        live.on_end(complete(7, digit_recipe, 12.34, 98_765))
        live.on_end(complete(6, digit_recipe, 12.34, 98_765, machine=platform.node()))
        live.on_end(complete(5, digit_recipe, 12.34, 98_765, machine="gpu\n3"))
        live.on_start(8, digit_recipe)
        live.on_end(TrialRecord(8, "failed", digit_recipe, None, "diverged at step 3"))
    lines = out.getvalue().splitlines()
    assert lines[0] == f"trial 7 starts: {name_recipe(digit_recipe)}"
    assert lines[1:3] == [
        "trial 7 at 16,000 images: FID 123.4",
        "trial 7 at 32,000 images: no FID yet",
    ]
    assert lines[3].startswith("trial 7 FID 12.3, 98.8 kB (2 of 4 finished, about ")
    assert lines[4].startswith("trial 6 FID 12.3, 98.8 kB (3 of 4 finished, about ")
    assert lines[5].startswith("trial 5 FID 12.3, 98.8 kB, on gpu 3 (4 of 4 finished)")
    assert lines[7].startswith("trial 8 failed: diverged at step 3 (5 of 4 finished")
    assert "\x1b" not in out.getvalue()


def test_a_terminal_shows_running_finished_failed_best_and_time_left(
    digit_recipe: Recipe,
) -> None:
    live, out = view(digit_recipe, terminal=True)
    with live:
        live.on_start(1, digit_recipe)
        live.on_end(complete(1, digit_recipe, 30.0, 2_000_000))
        live.on_start(2, digit_recipe)
        live.on_end(complete(2, digit_recipe, 50.0, 1_000))
        live.on_start(3, digit_recipe)
        live.on_progress(3, "generate", 0.25)
    text = out.getvalue()
    assert "generate 25%" in text
    assert "1 running, 3 of 4 finished, about" in text
    assert "0 failed" in text
    assert "best FID: trial 1, FID 30.0, 2 MB" in text
    assert "smallest: trial 2, FID 50.0, 1 kB" in text


def test_what_was_stopped_or_is_over_a_limit_is_told_as_that_and_is_never_the_best(
    digit_recipe: Recipe,
) -> None:
    over = replace(complete(2, digit_recipe, 1.0, 10), feasible=False, reason="macs 9 is over 5")
    pruned = TrialRecord(1, "pruned", digit_recipe, None, "stopped early after 9 images")
    live, out = view(digit_recipe, terminal=False)
    with live:
        live.on_end(pruned)
        live.on_end(over)
        live.on_retry(3, "boom")
        live.on_warning(3, "checkpoint c is torn")
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("trial 1 stopped early after 9 images (2 of 4 finished")
    assert lines[1].startswith("trial 2 FID 1.0, 10 B, macs 9 is over 5 (3 of 4 finished")
    assert lines[2] == "trial 3 broke (boom) and starts again"
    assert lines[3] == "trial 3: checkpoint c is torn"
    live, out = view(digit_recipe, terminal=True)
    with live:
        live.on_end(pruned)
        live.on_end(over)
    text = " ".join(out.getvalue().split())
    assert "1 stopped early, 1 over a limit, 0 failed" in text
    assert "best FID: trial 0, FID 40.0, 3 MB" in out.getvalue()


def test_a_warning_is_said_once_for_all_trials(digit_recipe: Recipe) -> None:
    live, out = view(digit_recipe, terminal=False)
    with live:
        for number in (1, 2, 3):
            live.on_warning(number, "48 reference images")
        live.on_warning(2, "torn")
        live.on_hold(2, "boom")
    assert out.getvalue().splitlines() == [
        "trial 1: 48 reference images",
        "trial 2: torn",
        "trial 2 broke (boom); counts as failed once another trial ends otherwise",
    ]


def test_at_the_end_no_table_is_left_without_a_trial(digit_recipe: Recipe) -> None:
    live, out = view(digit_recipe, terminal=True, trials=2)
    with live:
        live.on_start(1, digit_recipe)
        live.on_end(complete(1, digit_recipe, 30.0, 2_000_000))
    last = out.getvalue().rpartition("\x1b[2K")[2]
    assert "2 of 2 finished, 0 failed" in last
    for word in ("recipe", "stage", "running", "left"):
        assert word not in last


@pytest.mark.parametrize("width", [80, 120])
def test_a_table_of_running_trials_keeps_to_its_width_and_loses_no_word(
    digit_recipe: Recipe, width: int
) -> None:
    live, _ = view(digit_recipe, terminal=True)
    for number in range(1, 5):
        live.on_start(number, digit_recipe)
        live.on_progress(number, "cool-down", 0.25)
    out = io.StringIO()
    Console(file=out, width=width).print(live._render())
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    words = " ".join(out.getvalue().split())
    assert words.count("cool-down 25%") == 4
    assert words.count("weights8") == 4
    assert words.startswith("trial recipe stage time")


def test_the_best_of_a_maximised_objective_is_the_largest(digit_recipe: Recipe) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80)
    records = [
        complete(n, digit_recipe, 5.0, 100, recall=r) for n, r in enumerate((0.2, 0.7, 0.5))
    ]
    with LiveView(console, 9, records, objectives=("fid", "recall")):
        pass
    assert "best recall: trial 1, FID 5.0, 100 B, recall 0.7" in out.getvalue()
    assert "best FID: trial 0" in out.getvalue()


def test_a_resumed_study_shows_the_best_of_before(digit_recipe: Recipe) -> None:
    live, out = view(digit_recipe, terminal=True)
    with live:
        live.on_start(1, digit_recipe)
    assert "best FID: trial 0, FID 40.0, 3 MB" in out.getvalue()


def test_a_recipe_is_named_by_what_sets_it_apart(digit_recipe: Recipe) -> None:
    assert name_recipe(digit_recipe) == "mini_ddpm, 8-16, groups 1, ema mid, l1 30% all, weights8"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (185, "3 min 05 s"), (7620, "2 h 07 min")],
)
def test_durations_are_written_in_two_units(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (950, "950 B"), (999.6, "1 kB"), (95_123, "95.1 kB"), (1_234_567, "1.23 MB")],
)
def test_sizes_are_written_with_three_digits(size: float, text: str) -> None:
    assert format_bytes(size) == text
