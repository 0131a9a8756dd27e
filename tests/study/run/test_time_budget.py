"""The time budget is the run's, over all its sessions, and is derived from its trials."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.samplers import RandomSampler

from diffusion.recipe import Recipe
from study.results.records import State, TrialRecord
from study.run.folder import JOURNAL_NAME
from study.run.settings import RunSettings
from study.run.storage import StudyStorage
from study.run.time_budget import seconds_left, spent_seconds, total_seconds


def trial(number: int, begin: float, end: float, state: State = "complete") -> TrialRecord:
    return TrialRecord(number, state, None, wall_seconds=end - begin, end_time=end)


@pytest.mark.parametrize(
    ("intervals", "spent"),
    [
        ([], 0),
        ([(100, 130)], 30),
        ([(100, 130), (130, 150)], 50),
        ([(100, 130), (110, 120)], 30),
        ([(100, 130), (120, 150)], 50),
        ([(100, 130), (1_000, 1_010), (105, 131)], 41),
    ],
    ids=["none", "one", "in turn", "within", "at once", "with a pause"],
)
def test_time_in_which_several_trials_ran_counts_once(
    intervals: list[tuple[float, float]], spent: float
) -> None:
    assert spent_seconds(trial(n, *interval) for n, interval in enumerate(intervals)) == spent


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20))))
def test_spent_is_how_many_seconds_some_trial_ran_in(given: list[tuple[int, int]]) -> None:
    seconds = {second for begin, length in given for second in range(begin, begin + length)}
    records = [trial(n, begin, begin + length) for n, (begin, length) in enumerate(given)]
    assert spent_seconds(records) == len(seconds)


def test_trials_that_did_not_end_or_do_not_count_spend_nothing() -> None:
    assert spent_seconds([TrialRecord(0, "running", None)]) == 0
    assert spent_seconds([trial(0, 0, 9, "infeasible")]) == 0
    assert spent_seconds([trial(0, 0, 9, "failed"), trial(1, 20, 21, "pruned")]) == 10


def test_a_session_has_what_the_others_left(settings: RunSettings) -> None:
    run = replace(settings, time_budget_seconds=1_800.0)
    assert seconds_left(run, []) == 1_800
    assert seconds_left(run, [trial(0, 0, 600)]) == 1_200
    assert seconds_left(replace(run, time_budget_seconds=None), [trial(0, 0, 600)]) is None


def test_a_budget_that_is_used_up_is_said_where_there_is_more_to_do(settings: RunSettings) -> None:
    run = replace(settings, time_budget_seconds=1_800.0, trials=2)
    spent = [trial(0, 0, 1_801)]
    why = r"its time budget of 30 min is used up; give --time-budget to go on"
    with pytest.raises(ValueError, match=why):
        seconds_left(run, spent)
    assert seconds_left(replace(run, trials=1), spent) == 0


def test_more_time_is_added_to_what_is_spent(
    settings: RunSettings, digit_recipe: Recipe, tmp_path: Path
) -> None:
    run = replace(settings, time_budget_seconds=60.0)
    assert total_seconds(tmp_path, run, 30.0) == 30, "nothing is spent before there is a journal"
    storage = StudyStorage(tmp_path / JOURNAL_NAME, run.objectives)
    for _ in range(2):
        begun = storage.ask(RandomSampler(seed=0))
        storage.accept(begun, digit_recipe)
    storage.fail(0, "broke", 40.0)
    assert total_seconds(tmp_path, run, None) == 60
    assert total_seconds(tmp_path, run, 30.0) == pytest.approx(70)
