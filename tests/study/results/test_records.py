"""Records: which trials count, what became of each, and on how many images it was trained."""

import pytest

from diffusion.recipe import Recipe
from study.results.records import TrialRecord


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        (TrialRecord(0, "complete", None, {}), "complete"),
        (TrialRecord(0, "complete", None, {}, feasible=False), "over a limit"),
        (TrialRecord(0, "pruned", None), "stopped early"),
        (TrialRecord(0, "failed", None), "failed"),
        (TrialRecord(0, "infeasible", None, feasible=False), "infeasible"),
    ],
)
def test_outcomes_are_told_apart(record: TrialRecord, outcome: str) -> None:
    assert record.outcome == outcome


def test_refused_and_running_trials_do_not_count(digit_recipe: Recipe) -> None:
    states = ("running", "complete", "pruned", "failed", "infeasible", "waiting")
    finished = [state for state in states if TrialRecord(0, state, digit_recipe).finished]
    assert finished == ["complete", "pruned", "failed"]


@pytest.mark.parametrize(
    ("scores", "rungs", "images"),
    [
        ({"trained_images": 64}, {8: {"trained_images": 8}}, 64),
        (None, {8: {"trained_images": 8}, 16: {"trained_images": 12}}, 12),
        (None, {8: {}}, 0),
        (None, {}, 0),
    ],
)
def test_the_images_trained_on_are_the_last_that_a_trial_told(
    scores: dict[str, int] | None, rungs: dict[int, dict[str, int]], images: int
) -> None:
    assert TrialRecord(0, "pruned", None, scores, rungs=rungs).trained_images == images
