"""What a trial will take follows from what others took, and what cannot end in time waits."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_studies import SCORES, dispatcher, states, take

from diffusion.recipe import Recipe
from study.engine.design_draws import network_cost
from study.engine.pace import Pace
from study.results.records import TrialRecord

HOUR = 3_600.0
MEASURED = {"train_seconds": HOUR, "generate_seconds": 5.0, "score_seconds": 1.0}


def record(recipe: Recipe, wall_seconds: float = 10.0, **scores: Any) -> TrialRecord:
    values = {**SCORES, "trained_images": 0, **scores}
    return TrialRecord(0, "complete", recipe, values, wall_seconds=wall_seconds)


def test_before_anything_ended_nothing_is_known(digit_recipe: Recipe) -> None:
    assert Pace([]).seconds(digit_recipe, 1_000_000) == 0.0


def test_seconds_grow_with_the_images_and_the_work_of_the_network(digit_recipe: Recipe) -> None:
    images = digit_recipe.training.train_images
    pace = Pace([record(digit_recipe, train_seconds=100.0)])
    assert pace.seconds(digit_recipe, 0) == pytest.approx(10.0)
    assert pace.seconds(digit_recipe, 3 * images) == pytest.approx(10.0 + 300.0)
    wide = replace(digit_recipe, network=replace(digit_recipe.network, widths=(16, 32)))
    macs = [network_cost(r.network, r.data).macs for r in (digit_recipe, wide)]
    expected = 10.0 + 100.0 * macs[1] / macs[0]
    assert pace.seconds(wide, images) == pytest.approx(expected)


def test_a_cool_down_counts_as_a_training_and_a_training_trial_as_no_scoring(
    digit_recipe: Recipe,
) -> None:
    cooled = digit_recipe.with_changes(
        {"compression.finetune_images": 128, "compression.finetune_learning_rate": 1e-4}
    )
    pace = Pace([record(cooled, wall_seconds=999.0, trained_images=192, finetune_seconds=64.0)])
    assert pace.seconds(cooled, 256) == pytest.approx(128.0)


def test_a_training_that_cannot_end_in_time_waits_and_compressions_go_on(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, deadline=time.time() + HOUR / 20)
    (first,) = take(source, 1)
    source.end(first.number, {**SCORES, **MEASURED}, None)
    begun = []
    while (another := source.next()) is not None:
        begun.append(another)
        source.end(another.number, {**SCORES, **MEASURED}, None)
    assert source.ended
    assert {a.recipe.backbone_key for a in begun} == {first.recipe.backbone_key}
    assert len(begun) > 1
    waiting = {number for number, state in states(tmp_path).items() if state == "running"}
    assert waiting, "they are kept for a resume with more time"
    later = dispatcher(tmp_path, deadline=time.time() + 100 * HOUR)
    (resumed,) = take(later, 1)
    assert resumed.number == min(waiting)


def test_where_nothing_can_end_in_time_the_study_ends(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, trials=100, deadline=time.time() + 3.0)
    (first,) = take(source, 1)
    scored = {**SCORES, **MEASURED, "trained_images": 0}
    source.end(first.number, scored, None)
    source._choice._pace._of_scoring = [HOUR]
    assert source.next() is None
    assert source.ended
