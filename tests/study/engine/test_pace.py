"""What a training will take follows from what others took, and what cannot end in time waits."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from screened_world import step, study
from small_studies import QUICK, SCORES, dispatcher, states, take

from diffusion.recipe import Recipe
from study.engine.design_draws import network_cost
from study.engine.dispatcher import Dispatcher
from study.engine.effort import Allowance, Effort
from study.engine.pace import Pace
from study.engine.running import Assignment
from study.results.records import TrialRecord

LONG, SOON = 1e6, 5e4  # Seconds; no test takes so many.


def record(recipe: Recipe, **scores: Any) -> TrialRecord:
    return TrialRecord(0, "complete", recipe, {**SCORES, **scores})


def macs(recipe: Recipe) -> int:
    return network_cost(recipe.network, recipe.data).macs


def end(source: Dispatcher, trial: Assignment, train_seconds: float = LONG) -> None:
    source.end(trial.number, {**SCORES, "train_seconds": train_seconds}, None)


def begin_all(source: Dispatcher, **train_seconds: float) -> list[Assignment]:
    """Begin and end trials until none is left; backbones took the given seconds, else long."""
    begun = []
    while (another := source.next()) is not None:
        begun.append(another)
        end(source, another, train_seconds.get(another.recipe.backbone_key, LONG))
    assert source.ended
    return begun


def test_before_anything_ended_nothing_is_known(digit_recipe: Recipe) -> None:
    assert Pace([]).seconds(digit_recipe, 1_000_000) == 0.0


def test_seconds_grow_with_the_images_and_the_work_of_the_network(digit_recipe: Recipe) -> None:
    images = digit_recipe.training.train_images
    pace = Pace([record(digit_recipe, train_seconds=100.0)])
    assert pace.seconds(digit_recipe, 0) == 0.0
    assert pace.seconds(digit_recipe, 3 * images) == pytest.approx(300.0)
    wide = replace(digit_recipe, network=replace(digit_recipe.network, widths=(16, 32)))
    assert pace.seconds(wide, images) == pytest.approx(100.0 * macs(wide) / macs(digit_recipe))
    pace.note_end(record(wide, train_seconds=150.0))
    assert pace.seconds(wide, images) == pytest.approx(150.0), "it is nearer to itself"


def test_a_cool_down_tells_of_trainings_and_one_training_counts_once(digit_recipe: Recipe) -> None:
    cooled = digit_recipe.with_changes(
        {"compression.finetune_images": 128, "compression.finetune_learning_rate": 1e-4}
    )
    pace = Pace([record(cooled, finetune_seconds=64.0)] * 3)
    assert pace.seconds(cooled, 256) == pytest.approx(128.0)


@pytest.mark.parametrize("seconds", [float("inf"), 1e300, -1.0])
def test_what_an_altered_journal_says_is_not_believed(
    digit_recipe: Recipe, seconds: float
) -> None:
    assert Pace([record(digit_recipe, train_seconds=seconds)]).seconds(digit_recipe, 64) == 0.0


def test_a_training_that_cannot_end_in_time_waits_and_compressions_go_on(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, 30, deadline=time.time() + SOON)
    (first,) = take(source, 1)
    end(source, first)
    begun = begin_all(source)
    assert {a.recipe.backbone_key for a in begun} == {first.recipe.backbone_key}
    assert {a.recipe.compression.finetune_images for a in begun} == {0}
    assert max(a.number for a in begun) >= len(QUICK.covering), "some are drawn"
    waiting = {number for number, state in states(tmp_path).items() if state == "running"}
    assert waiting
    assert max(waiting) < len(QUICK.covering), "rows in line wait for a resume with more time"
    (resumed,) = take(dispatcher(tmp_path, 30, deadline=time.time() + 100 * LONG), 1)
    assert resumed.number == min(waiting)


@pytest.mark.parametrize(("train_seconds", "more"), [(LONG, False), (1.0, True)])
def test_a_row_that_was_too_long_is_begun_once_its_like_was_short(
    tmp_path: Path, train_seconds: float, more: bool
) -> None:
    source = dispatcher(tmp_path, 30, deadline=time.time() + SOON)
    small, large = take(source, 2)
    end(source, large)
    (another,) = take(source, 1)  # the rows of other backbones are all found too long
    assert another.recipe.backbone_key == large.recipe.backbone_key
    end(source, small, train_seconds)
    end(source, another)
    trained = {small.recipe.backbone_key, large.recipe.backbone_key}
    begun = begin_all(source, **{small.recipe.backbone_key: train_seconds})
    assert bool({a.recipe.backbone_key for a in begun} - trained) == more


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_training_that_had_begun_is_gone_on_with(tmp_path: Path, has_begun: bool) -> None:
    source = dispatcher(tmp_path, 30)
    done, cut_off = take(source, 2)
    end(source, done)
    if has_begun:
        source.judge(cut_off.number, 16_000, SCORES)
    begun = begin_all(dispatcher(tmp_path, 30, deadline=time.time() + SOON))
    assert (cut_off.number in {a.number for a in begun}) == has_begun


def test_where_every_trial_trains_a_study_ends_with_its_time(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, 60, deadline=time.time() + SOON, reuse=False)
    (first,) = take(source, 1)
    end(source, first)
    assert begin_all(source) == []


@pytest.mark.parametrize("most", [Effort.COMPRESSION, Effort.COOL_DOWN])
def test_what_promises_most_takes_no_more_than_it_may(most: Effort) -> None:
    source = study(space=replace(QUICK, covering=QUICK.covering[:4]))
    for _ in range(4):
        step(source)
    known = {r.recipe.backbone_key for r in source.storage.records() if r.recipe is not None}
    cooled = {r.recipe.cool_down_key for r in source.storage.records() if r.recipe is not None}
    for _ in range(4):
        _, recipe = step(source, Allowance(most))
        assert recipe.backbone_key in known
        if most is Effort.COMPRESSION and recipe.compression.finetune_images:
            assert recipe.cool_down_key in cooled
