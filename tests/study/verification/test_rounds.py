"""What is drawn next: all of the front, and of its neighbours what a first look leaves."""

from dataclasses import replace
from pathlib import Path

import pytest
from small_run import run_of
from small_verification import IMAGES, record, scores

from study.verification.file import Verification
from study.verification.point import Plan, Point
from study.verification.rounds import latency_counts, next_round, wanted

PLAN = Plan(IMAGES)
FIRST, *OTHERS = PLAN.seeds
# FID, each 1 more or less, and size: two on the front, two near it, one far from it.
SEARCHED = ((20.0, 100), (10.0, 200), (11.0, 200), (11.3, 250), (50.0, 300))


@pytest.fixture
def verification(tmp_path: Path) -> Verification:
    records = [record(number, fid, size) for number, (fid, size) in enumerate(SEARCHED)]
    return Verification(run_of(tmp_path, records))


def know(verification: Verification, number: int, fid: float, *seeds: int) -> None:
    found = {seed: scores(fid) for seed in seeds}
    verification.points.setdefault(number, Point()).seeds.setdefault(IMAGES, {}).update(found)


def asked(verification: Verification, *, every: bool = False) -> dict[int, int]:
    return {r.number: count for r, count in next_round(verification, PLAN, set(), every=every)}


def test_the_front_gets_all_seeds_and_what_is_near_it_one(verification: Verification) -> None:
    assert asked(verification) == {0: 3, 1: 3, 2: 1, 3: 1}
    assert asked(verification, every=True) == dict.fromkeys(range(5), 3)


def test_what_the_first_seed_leaves_near_gets_the_others(verification: Verification) -> None:
    for number, fid in ((0, 21.0), (1, 10.0)):
        know(verification, number, fid, *PLAN.seeds)
    know(verification, 2, 11.3, FIRST)
    know(verification, 3, 11.5, FIRST)
    assert asked(verification) == {0: 3, 1: 3, 2: 3}
    assert [r.number for r in wanted(verification, PLAN)] == [0, 1, 2]
    know(verification, 3, 11.5, *OTHERS)
    assert 3 not in asked(verification), "its other seeds do not bring it back"


def test_a_trial_of_the_search_s_front_is_drawn_from_whatever_its_first_seed_says(
    verification: Verification,
) -> None:
    know(verification, 1, 30.0, FIRST)
    know(verification, 0, 20.0, FIRST)
    assert asked(verification) == {0: 3, 1: 3, 2: 1, 3: 1}


@pytest.mark.parametrize("name", ["latency_ms", "onnx_latency_ms"])
def test_a_latency_counts_where_it_is_aimed_at_or_limited(
    name: str, verification: Verification
) -> None:
    run = verification.run
    assert not latency_counts(verification)
    for changes in ({"objectives": ("fid", name)}, {"limits": {name: 5.0}}):
        aimed = replace(run, settings=replace(run.settings, **changes))
        assert latency_counts(Verification(aimed))


def test_a_first_seed_is_compared_with_first_seeds_alone(verification: Verification) -> None:
    know(verification, 2, 90.0, FIRST)
    assert asked(verification)[2] == 3, "none of the others has one yet"
    know(verification, 1, 89.0, *OTHERS)
    assert asked(verification)[2] == 3


def test_what_was_tried_is_not_asked_for_again(verification: Verification) -> None:
    tried = {(0, 3), (1, 3), (2, 1), (3, 1)}
    assert next_round(verification, PLAN, tried) == []
    know(verification, 1, 10.0, *PLAN.seeds)
    know(verification, 2, 10.0, FIRST)
    assert [(r.number, n) for r, n in next_round(verification, PLAN, tried)] == [(2, 3)]
    more = Plan(IMAGES, 5)
    assert (1, 5) in [(r.number, n) for r, n in next_round(verification, more, tried)]
