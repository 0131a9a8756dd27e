"""What is drawn at random without a study is what RandomSampler draws in one."""

from collections.abc import Mapping
from typing import Any

import pytest
from optuna.samplers import RandomSampler
from small_studies import DATA

from diffusion.recipe import DataConfig, Recipe
from search_spaces import load_space
from search_spaces.space import SearchSpace
from study.engine.draws import draw_all, fixing
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


SPACES = [
    load_space("quick"),
    load_space("mnist"),
    SearchSpace("every-kind", every_kind, (), trials=1, reuse_share=0.5, fid_num_images=10),
]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
@pytest.mark.parametrize("fixed", [{}, {"compression.quantization": "weights8", "d": 6}])
def test_the_same_knobs_are_drawn_as_in_a_study(
    space: SearchSpace, fixed: Mapping[str, Any]
) -> None:
    samplers = (fixing(fixed, RandomSampler(seed=seed)) for seed in SEEDS)
    expected = list(draw_all((), samplers, space, DATA))
    found = list(draw_at_random(fixed, SEEDS, space, DATA))
    assert found == expected
    assert [list(knobs) for knobs, _ in found] == [list(knobs) for knobs, _ in expected]
