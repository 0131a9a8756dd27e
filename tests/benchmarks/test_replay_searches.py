"""Searches on a recorded grid: each draws what was recorded, of one training a network."""

import math

import optuna
import pytest
from grid_table import DATA, grid_table
from optuna.samplers import RandomSampler

from benchmarks import replay_searches
from benchmarks.replay_searches import (
    PLAIN_TRIALS,
    STRATEGIES,
    Judging,
    engine,
    plain,
    replayed_space,
)
from search_spaces.quick_grid import SEED_KNOB, TRAINING_SEEDS

TABLE = grid_table()


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_search_meets_the_trainings_of_one_seed_and_knows_of_no_other(seed: int) -> None:
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    trials = [study.ask() for _ in range(20)]
    recipes = [replayed_space(seed).suggest(trial, DATA) for trial in trials]
    assert {recipe.training.seed for recipe in recipes} == {TRAINING_SEEDS[seed]}
    assert all(SEED_KNOB not in trial.params for trial in trials)


def test_the_plain_search_trains_for_each_of_its_trials() -> None:
    moments = plain(TABLE, 1, 0)
    assert len(moments) == PLAIN_TRIALS + 1
    assert moments[-1].trained_images >= PLAIN_TRIALS * 40_000


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_every_search_gives_the_same_again(name: str) -> None:
    first, again = (STRATEGIES[name](TABLE, 1, 1, 8.0) for _ in range(2))
    assert first == again
    assert first[-1].hypervolume >= 8.0


# Curves that are drawn out to forty times their images stop nothing.
@pytest.mark.parametrize(("judging", "slowdown"), [("rungs", 1), ("rungs", 10), ("curves", 1)])
def test_trainings_are_judged_in_both_ways(
    judging: Judging, slowdown: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_searches, "MOST_TRIALS", 12)
    whole, judged = (
        engine(TABLE, slowdown, 0, math.inf, judging=how, by_hand=True)
        for how in ("nothing", judging)
    )
    assert len(whole) == len(judged) == 13
    trained = judged[-1].trained_images / slowdown
    assert trained < whole[-1].trained_images / slowdown - 16_000, "some were stopped"


def test_ours_is_at_the_plain_search_s_end_with_fewer_images() -> None:
    goal = plain(TABLE, 1, 0)[-1]
    found = engine(TABLE, 1, 0, goal.hypervolume)[-1]
    assert found.hypervolume >= goal.hypervolume
    assert found.trained_images < goal.trained_images / 2
