"""What is asked of a trial is only ever what is not known of it yet."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_verification import scores

from study.results.objectives import Scores
from study.verification.point import Plan, Point, of_one_plan, read_point

PLAN = Plan(num_images=1_000)


def filled(plan: Plan) -> Point:
    return Point({plan.num_images: {seed: scores(seed) for seed in plan.seeds}})


def follow(point: Point, plan: Plan) -> list[int]:
    """Do what a plan asks of a trial; return the seeds that were drawn with."""
    asked = point.missing_seeds(plan)
    point.seeds.setdefault(plan.num_images, {}).update({seed: scores(seed) for seed in asked})
    return asked


def test_a_plan_draws_from_other_noise_than_the_search_did() -> None:
    seeds = Plan(10, 5).seeds
    assert len(set(seeds)) == 5
    assert 0 not in seeds
    # A run uses its seed for the first noise and the next one for what a sampler adds.
    assert not {seed + 1 for seed in seeds} & set(seeds)


@pytest.mark.parametrize(
    ("plans", "drawn", "kept"),
    [
        ([(1_000, 3), (1_000, 3)], [3, 0], {1_000: 3}),
        ([(1_000, 3), (1_000, 5)], [3, 2], {1_000: 5}),
        ([(1_000, 5), (1_000, 3)], [5, 0], {1_000: 5}),
        ([(10_000, 3), (1_000, 3)], [3, 3], {1_000: 3, 10_000: 3}),
        ([(10_000, 3), (1_000, 3), (10_000, 4)], [3, 3, 1], {1_000: 3, 10_000: 4}),
        ([(1_000, 3), (50_000, 5), (10_000, 4)], [3, 5, 4], {1_000: 3, 10_000: 4, 50_000: 5}),
    ],
)
def test_plans_add_to_what_is_there(
    plans: list[tuple[int, int]], drawn: list[int], kept: dict[int, int]
) -> None:
    point = Point()
    assert [len(follow(point, Plan(*plan))) for plan in plans] == drawn
    assert {count: len(found) for count, found in point.seeds.items()} == kept
    assert {count: len(point.scores(count)) for count in kept} == kept


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(3, 8)), max_size=6))
def test_no_seed_is_drawn_with_twice(plans: list[tuple[int, int]]) -> None:
    point = Point()
    drawn = [(plan[0], seed) for plan in plans for seed in follow(point, Plan(*plan))]
    assert len(set(drawn)) == len(drawn)
    known = {(count, seed) for count, found in point.seeds.items() for seed in found}
    assert known == set(drawn)


def test_only_missing_seeds_are_asked_for() -> None:
    point = Point({1_000: {PLAN.seeds[1]: scores(3)}})
    assert point.missing_seeds(PLAN) == [PLAN.seeds[0], PLAN.seeds[2]]
    point.reason = "PackageError: damaged"
    assert point.missing_seeds(PLAN) == []


@pytest.mark.parametrize(
    ("plan", "reason", "count"),
    [(Plan(1_000, 2), None, 0), (PLAN, None, 3), (Plan(1_000, 9), None, 9), (PLAN, "gone", 0)],
)
def test_too_few_seeds_or_a_damaged_model_have_no_scores(
    plan: Plan, reason: str | None, count: int
) -> None:
    point = filled(plan)
    point.reason = reason
    assert len(point.scores(1_000)) == count
    assert point.scores(2_000) == {}


def test_scores_come_in_the_order_of_their_seeds() -> None:
    point = Point({1_000: {seed: scores(seed) for seed in reversed(PLAN.seeds)}})
    assert list(point.scores(1_000)) == PLAN.seeds


def test_replicates_that_are_known_or_fail_for_good_are_not_asked_for() -> None:
    point = Point(trainings={1_000: {1: scores(3)}}, failed_trainings={3: "TrainingDiverged: x"})
    assert point.missing_trainings(PLAN, 4) == [2, 4]
    assert point.missing_trainings(Plan(10_000), 4) == [1, 2, 4]


def test_values_of_one_plan_are_read_as_scores_of_its_number_of_images() -> None:
    values: dict[str, Any] = {
        "seeds": {"1000": scores(3)},
        "latency_ms": 2.5,
        "trainings": {},
        "reason": None,
    }

    def check(found: Scores) -> Scores:
        return found

    point = read_point(of_one_plan(values, 500), check)
    assert point == Point({500: {1_000: scores(3)}}, 2.5)
