"""A trial without a study draws what a trial of a study would."""

from typing import Any

import pytest
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState, create_trial
from small_studies import DATA

from diffusion.recipe import DataConfig, Recipe
from search_spaces import load_space
from search_spaces.space import SearchSpace
from study.engine.draws import begun, draw_all, fixing, suggested, view_tpe
from study.engine.memory_trial import MemoryTrial
from study.engine.random_draws import draw_at_random

SEEDS = range(40)


def every_kind(trial: Any, data: DataConfig) -> Recipe:
    """Draw a knob of each kind, one of them among a single value."""
    trial.suggest_float("a", 0.1, 10.0, log=True)
    trial.suggest_float("b", 0.0, 1.0, step=0.25)
    trial.suggest_float("same", 2.0, 2.0)
    trial.suggest_int("c", 1, 64, log=True)
    trial.suggest_int("d", 0, 9, step=3)
    trial.suggest_categorical("only", ["one"])
    return load_space("quick").suggest(trial, data)


def of_two_grids(trial: Any, data: DataConfig) -> Recipe:
    """Draw a knob whose step depends on another knob."""
    fine = trial.suggest_categorical("compression.mode", ["fine", "coarse"]) == "fine"
    trial.suggest_int("compression.extra", 0, 64, step=1 if fine else 16)
    trial.suggest_float("compression.more", 0.0, 1.0, step=0.1 if fine else 0.5)
    return load_space("quick").suggest(trial, data)


SPACES = [
    load_space("quick"),
    load_space("mnist"),
    SearchSpace("every-kind", every_kind, (), trials=1, reuse_share=0.5, fid_num_images=10),
    SearchSpace("two-grids", of_two_grids, (), trials=1, reuse_share=0.5, fid_num_images=10),
]
FIXED: list[dict[str, Any]] = [{}, {"compression.quantization": "weights8", "d": 6}]
of_each_space = pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)


def knobs_in_a_study(
    view: list[FrozenTrial], sampler: BaseSampler, space: SearchSpace
) -> dict[str, Any]:
    trial = begun(view, sampler)
    suggested(space, trial, DATA)
    return trial.params


def ended(space: SearchSpace, count: int) -> list[FrozenTrial]:
    """Return trials of a space with made-up values."""
    trials = []
    for seed in range(count):
        trial = begun((), RandomSampler(seed))
        suggested(space, trial, DATA)
        values = [float(seed * 7 % 11), float(seed)]
        trials.append(
            create_trial(
                state=TrialState.COMPLETE,
                params=trial.params,
                distributions=trial.distributions,
                values=values,
            )
        )
    return trials


@of_each_space
@pytest.mark.parametrize("fixed", FIXED)
def test_knobs_at_random_are_those_of_a_study(space: SearchSpace, fixed: dict[str, Any]) -> None:
    found = [knobs for knobs, _ in draw_at_random(fixed, SEEDS, space, DATA)]
    samplers = [fixing(fixed, RandomSampler(seed=seed)) for seed in SEEDS]
    expected = [knobs_in_a_study([], sampler, space) for sampler in samplers]
    assert found == expected
    assert [list(knobs) for knobs in found] == [list(knobs) for knobs in expected], "the order"


@of_each_space
@pytest.mark.parametrize("fixed", FIXED)
def test_knobs_of_tpe_are_those_of_a_study(space: SearchSpace, fixed: dict[str, Any]) -> None:
    """Drawn together and, as those that few trials have, one by one."""
    view = ended(space, 40)
    samplers = [[fixing(fixed, view_tpe(seed)) for seed in SEEDS] for _ in range(2)]
    found = [knobs for knobs, _ in draw_all(view, samplers[0], space, DATA)]
    assert found == [knobs_in_a_study(view, sampler, space) for sampler in samplers[1]]
    assert len({tuple(knobs.items()) for knobs in found}) > 5, "by the seed"


@of_each_space
def test_what_a_knob_is_drawn_from_is_kept(space: SearchSpace) -> None:
    expected = begun((), RandomSampler(0))
    suggested(space, expected, DATA)
    found = MemoryTrial(expected.params, pytest.fail)
    suggested(space, found, DATA)
    assert (found.params, found.distributions) == (expected.params, expected.distributions)


def test_a_knob_that_is_drawn_twice_from_other_values_is_refused() -> None:
    trial = MemoryTrial({}, lambda name, distribution: 1)
    trial.suggest_categorical("a", [1, 2])
    with pytest.raises(ValueError, match="dynamic value space"):
        trial.suggest_categorical("a", [1, 2, 3])
