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
        assert rungs.why_stop(f"key{place}", 16_000) is None


@pytest.mark.parametrize("others", [1, 2, 5, 9])
def test_of_the_dominated_the_better_placed_share_goes_on(others: int) -> None:
    rungs = Rungs(OBJECTIVES)
    for place in range(others + 1):  # each dominates the next
        rungs.add(f"key{place}", 16_000, scores(10 + place, 1000 + place))
    going = [rungs.why_stop(f"key{place}", 16_000) is None for place in range(others + 1)]
    kept = math.ceil(KEEP_SHARE * (others + 1))
    assert going == [True] * kept + [False] * (others + 1 - kept)


def test_rungs_are_not_compared_with_each_other() -> None:
    rungs = Rungs(OBJECTIVES)
    rungs.add("late", 32_000, scores(1, 1))
    rungs.add("early", 16_000, scores(50, 50))
    assert rungs.why_stop("early", 16_000) is None


def test_who_is_first_at_a_rung_is_judged_at_the_next_by_who_came_since() -> None:
    rungs = Rungs(OBJECTIVES)
    rungs.add("first", 16_000, scores(50, 50))
    assert rungs.why_stop("first", 16_000) is None, "there was nobody to be compared with"
    rungs.add("better", 16_000, scores(5, 5))
    rungs.add("first", 32_000, scores(40, 50))
    assert rungs.why_stop("first", 32_000) == "far behind another training at 16,000"
    rungs.add("better", 32_000, scores(45, 60))
    assert rungs.why_stop("first", 32_000) is None, (
        "where both came decides: it overtook the other"
    )


def test_only_the_rung_before_decides_again_and_only_where_a_score_is_known() -> None:
    rungs = Rungs(OBJECTIVES)
    for images in (16_000, 32_000, 64_000):
        rungs.add("long", images, scores(50, 50))
    rungs.add("short", 16_000, scores(5, 5))
    assert rungs.why_stop("long", 16_000)
    assert rungs.why_stop("long", 32_000)
    assert rungs.why_stop("long", 64_000) is None, "two rungs further nothing can be said"
    alone = Rungs(OBJECTIVES)
    alone.add("late", 16_000, scores(math.inf, 50))
    alone.add("short", 16_000, scores(5, 5))
    alone.add("late", 32_000, scores(40, 50))
    assert alone.why_stop("late", 32_000) is None, "it had no score before"


def test_who_is_alone_at_a_rung_goes_on_where_it_was_ahead_before() -> None:
    rungs = Rungs(OBJECTIVES)
    rungs.add("behind", 16_000, scores(50, 50))
    rungs.add("ahead", 16_000, scores(5, 5))
    rungs.add("ahead", 32_000, scores(60, 70))
    assert rungs.why_stop("ahead", 32_000) is None


# The other one has an FID of 10 and 1000 bytes.
@pytest.mark.parametrize(
    ("fid", "size_bytes", "goes_on"),
    [
        (39.9, 1_001, True),
        (40.0, 1_001, False),
        (40.0, 500, False),
        (40.0, 499, True),
        (1_000.0, 499, True),
    ],
)
def test_far_behind_is_a_quarter_of_the_fid_in_no_more_than_twice_the_bytes(
    fid: float, size_bytes: float, goes_on: bool
) -> None:
    rungs = Rungs(OBJECTIVES)
    rungs.add("other", 16_000, scores(10, 1000))
    rungs.add("own", 16_000, scores(fid, size_bytes))
    for place in range(3):  # so that the own one is in the better half, whatever it scores
        rungs.add(f"worse {place}", 16_000, scores(2_000 + place, 2_000 + place))
    expected = None if goes_on else "far behind another training"
    assert rungs.why_stop("own", 16_000) == expected


def test_bytes_alone_are_made_up_for_and_nothing_without_a_distance() -> None:
    rungs = Rungs(("fid", "macs"))
    rungs.add("other", 16_000, {"fid": 10, "macs": 1000})
    rungs.add("own", 16_000, {"fid": 900, "macs": 999})
    assert rungs.why_stop("own", 16_000) is None, "a compression multiplies as often"
    rungs = Rungs(("recall", "size_bytes"))
    rungs.add("other", 16_000, {"recall": 0.9, "size_bytes": 1000})
    rungs.add("own", 16_000, {"recall": 0.01, "size_bytes": 900})
    assert rungs.why_stop("own", 16_000) is None
    rungs = Rungs(("fid",))
    rungs.add("other", 16_000, {"fid": 10})
    rungs.add("own", 16_000, {"fid": 900})
    rungs.add("worse", 16_000, {"fid": 1_000})
    assert rungs.why_stop("own", 16_000) is None, "it may be much larger, and begin slowly"


def test_no_training_is_far_behind_itself() -> None:
    rungs = Rungs(OBJECTIVES)
    rungs.add("perfect", 16_000, scores(0.0, 1000))
    assert rungs.why_stop("perfect", 16_000) is None


def test_a_maximised_objective_counts_the_other_way() -> None:
    rungs = Rungs(("recall", "size_bytes"))
    rungs.add("good", 16_000, {"recall": 0.9, "size_bytes": 100})
    rungs.add("bad", 16_000, {"recall": 0.5, "size_bytes": 100})
    assert rungs.why_stop("good", 16_000) is None
    assert rungs.why_stop("bad", 16_000)


def test_what_few_images_leave_undefined_is_judged_by_the_fid() -> None:
    rungs = Rungs(("fid_infinity", "size_bytes"))
    for place in range(3):
        rungs.add(f"key{place}", 16_000, {**scores(30 - place, 300 - place), "fid_infinity": None})
    going = [rungs.why_stop(f"key{place}", 16_000) is None for place in range(3)]
    assert going == [False, True, True]


@pytest.mark.parametrize("fid", [math.nan, math.inf, None])
def test_a_training_without_a_score_comes_last(fid: float | None) -> None:
    rungs = Rungs(OBJECTIVES)
    rungs.add("good", 16_000, scores(50, 100))
    rungs.add("broken", 16_000, {"fid": fid, "size_bytes": 1})
    assert rungs.why_stop("good", 16_000) is None
    assert rungs.why_stop("broken", 16_000)


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
