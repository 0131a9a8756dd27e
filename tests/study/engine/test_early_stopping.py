"""Early stopping: who is compared with whom, who goes on, and what a restart remembers."""

import math
from dataclasses import replace

import pytest
from small_studies import DATA, OBJECTIVES, QUICK

from diffusion.recipe import Recipe
from study.engine.early_stopping import KEEP_SHARE, Rungs
from study.evaluation.scoring import latest_rung
from study.results.objectives import Scores


def recipe(position: int = 0) -> Recipe:
    return QUICK.recipe(QUICK.covering[position], DATA)


def scores(fid: float, size_bytes: float) -> Scores:
    return {"fid": fid, "size_bytes": size_bytes}


def test_no_training_that_none_dominates_is_stopped() -> None:
    rungs = Rungs(OBJECTIVES)
    for place in range(10):
        rungs.add(f"key{place}", 16_000, scores(100 - place, 1000 + place))
        assert rungs.may_go_on(f"key{place}", 16_000)


@pytest.mark.parametrize("others", [1, 2, 5, 9])
def test_of_the_dominated_the_better_placed_share_goes_on(others: int) -> None:
    rungs = Rungs(OBJECTIVES)
    for place in range(others + 1):  # each dominates the next
        rungs.add(f"key{place}", 16_000, scores(10 + place, 1000 + place))
    going = [rungs.may_go_on(f"key{place}", 16_000) for place in range(others + 1)]
    kept = math.ceil(KEEP_SHARE * (others + 1))
    assert going == [True] * kept + [False] * (others + 1 - kept)


def test_rungs_are_not_compared_with_each_other() -> None:
    rungs = Rungs(OBJECTIVES)
    rungs.add("late", 32_000, scores(1, 1))
    rungs.add("early", 16_000, scores(50, 50))
    assert rungs.may_go_on("early", 16_000)


def test_who_is_first_at_a_rung_is_judged_at_the_next_by_who_came_since() -> None:
    rungs = Rungs(OBJECTIVES)
    rungs.add("first", 16_000, scores(50, 50))
    assert rungs.may_go_on("first", 16_000), "there was nobody to be compared with"
    rungs.add("better", 16_000, scores(5, 5))
    rungs.add("first", 32_000, scores(40, 50))
    assert not rungs.may_go_on("first", 32_000)
    assert rungs.compared("first", 32_000) == (16_000, 2)
    rungs.add("better", 32_000, scores(45, 60))
    assert rungs.may_go_on("first", 32_000), "where both came decides: it overtook the other"


def test_only_the_rung_before_decides_again_and_only_where_a_score_is_known() -> None:
    rungs = Rungs(OBJECTIVES)
    for images in (16_000, 32_000, 64_000):
        rungs.add("long", images, scores(50, 50))
    rungs.add("short", 16_000, scores(5, 5))
    assert not rungs.may_go_on("long", 16_000)
    assert not rungs.may_go_on("long", 32_000)
    assert rungs.may_go_on("long", 64_000), "two rungs further nothing can be said"
    alone = Rungs(OBJECTIVES)
    alone.add("late", 16_000, scores(math.inf, 50))
    alone.add("short", 16_000, scores(5, 5))
    alone.add("late", 32_000, scores(40, 50))
    assert alone.may_go_on("late", 32_000), "it had no score before"


def test_who_is_alone_at_a_rung_goes_on_where_it_was_ahead_before() -> None:
    rungs = Rungs(OBJECTIVES)
    rungs.add("behind", 16_000, scores(50, 50))
    rungs.add("ahead", 16_000, scores(5, 5))
    rungs.add("ahead", 32_000, scores(60, 70))
    assert rungs.may_go_on("ahead", 32_000)


def test_a_maximised_objective_counts_the_other_way() -> None:
    rungs = Rungs(("recall", "size_bytes"))
    rungs.add("good", 16_000, {"recall": 0.9, "size_bytes": 100})
    rungs.add("bad", 16_000, {"recall": 0.5, "size_bytes": 100})
    assert rungs.may_go_on("good", 16_000)
    assert not rungs.may_go_on("bad", 16_000)


def test_what_few_images_leave_undefined_is_judged_by_the_fid() -> None:
    rungs = Rungs(("fid_infinity", "size_bytes"))
    for place in range(3):
        rungs.add(f"key{place}", 16_000, {**scores(30 - place, 300 - place), "fid_infinity": None})
    going = [rungs.may_go_on(f"key{place}", 16_000) for place in range(3)]
    assert going == [False, True, True]


@pytest.mark.parametrize("fid", [math.nan, math.inf, None])
def test_a_training_without_a_score_comes_last(fid: float | None) -> None:
    rungs = Rungs(OBJECTIVES)
    rungs.add("good", 16_000, scores(50, 100))
    rungs.add("broken", 16_000, {"fid": fid, "size_bytes": 1})
    assert rungs.may_go_on("good", 16_000)
    assert not rungs.may_go_on("broken", 16_000)


@pytest.mark.parametrize(
    ("train_images", "seen", "rung"),
    [
        (40_000, 0, 0),
        (40_000, 15_999, 0),
        (40_000, 16_000, 16_000),
        (40_000, 39_999, 32_000),
        (40_000, 40_000, 32_000),
        (16_000, 16_000, 0),
        (64_000, 64_000, 32_000),
    ],
)
def test_the_latest_rung_lies_short_of_the_end(train_images: int, seen: int, rung: int) -> None:
    some = recipe()
    some = replace(some, training=replace(some.training, train_images=train_images))
    assert latest_rung(some, seen) == rung
