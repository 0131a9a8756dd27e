"""The front holds complete trials that keep to the limits, smallest first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_scores import fake_scores

from diffusion.recipe import Recipe
from study.results.front import front_records, front_rows, why_no_front
from study.results.records import TrialRecord

OBJECTIVES = ("fid", "size_bytes")


def test_only_complete_trials_reach_the_front(records: list[TrialRecord]) -> None:
    rows = front_rows(records, OBJECTIVES)
    assert [row["trial"] for row in rows] == [2, 0]
    assert [row["rank"] for row in rows] == [1, 2]
    assert [row["size_bytes"] for row in rows] == [100, 400]


def test_a_maximised_objective_is_better_when_it_is_larger(digit_recipe: Recipe) -> None:
    shares = [(5.0, 0.2), (6.0, 0.9), (7.0, 0.5)]
    records = [
        TrialRecord(n, "complete", digit_recipe, fake_scores(fid, 100, recall=recall))
        for n, (fid, recall) in enumerate(shares)
    ]
    rows = front_rows(records, ("fid", "recall"))
    assert [(row["trial"], row["recall"]) for row in rows] == [(0, 0.2), (1, 0.9)]
    assert [row["trial"] for row in front_rows(records, ("recall",))] == [1]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5), st.booleans()), max_size=12),
)
def test_the_front_is_that_of_the_trials_that_keep_to_the_limits(
    trials: list[tuple[int, int, bool]],
) -> None:
    records = [
        TrialRecord(n, "complete", None, {"fid": fid, "size_bytes": size}, feasible=feasible)
        for n, (fid, size, feasible) in enumerate(trials)
    ]
    kept = [record for record in records if record.feasible]
    found = front_records(records, OBJECTIVES)
    assert found == front_records(kept, OBJECTIVES)
    assert bool(found) == bool(kept)


def test_points_of_a_long_front_are_numbered_in_one_width(digit_recipe: Recipe) -> None:
    records = [
        TrialRecord(n, "complete", digit_recipe, fake_scores(200.0 - n, n + 1)) for n in range(100)
    ]
    paths = [row["package_path"] for row in front_rows(records, OBJECTIVES)]
    assert paths[0] == "front/001-0/model.pdm"
    assert paths == sorted(paths)


def test_it_is_said_why_there_is_no_front(digit_recipe: Recipe) -> None:
    over = TrialRecord(0, "complete", digit_recipe, {}, "macs 9 is over 5", feasible=False)
    failed = TrialRecord(1, "failed", digit_recipe, None, "boom")
    assert why_no_front([failed]) == "no trial is complete, so there is no front"
    assert "keeps to the limits (the last: macs 9 is over 5)" in why_no_front([over, failed])


@pytest.fixture
def records(digit_recipe: Recipe) -> list[TrialRecord]:
    """Trials 0 and 2 are the front; 1 is dominated; 3 failed; 4 runs; 5 cannot be built."""
    scores = [fake_scores(5.0, 400), fake_scores(9.0, 450), fake_scores(8.0, 100)]
    complete = [TrialRecord(n, "complete", digit_recipe, s) for n, s in enumerate(scores)]
    return [
        *complete,
        TrialRecord(3, "failed", digit_recipe, None, "diverged"),
        TrialRecord(4, "running", digit_recipe),
        TrialRecord(5, "infeasible", None, None, "groups"),
    ]
