"""Draws: what is fixed stays, the seed decides the rest, and a space's faults are its own."""

from dataclasses import replace

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.samplers import RandomSampler
from small_studies import DATA, QUICK

from diffusion.errors import InfeasibleRecipe, InvalidRecipe
from diffusion.recipe import DataConfig, Recipe
from study.engine.draws import draw, draw_seed, fixing, recipe_of, suggested


@given(st.integers(0, 2**32 - 1))
def test_a_draw_without_trials_depends_on_its_seed_alone(seed: int) -> None:
    knobs = [draw((), RandomSampler(seed=seed), QUICK, DATA) for _ in range(2)]
    assert knobs[0] == knobs[1]
    fixed = {"ema.track": "mid", "backbone.groups": 4}
    assert fixed.items() <= draw((), fixing(fixed, RandomSampler(seed=seed)), QUICK, DATA).items()


def test_every_place_has_a_seed_of_its_own() -> None:
    places = [(n,) for n in range(20)] + [(n, i) for n in range(20) for i in range(20)]
    assert len({draw_seed(seed, *place) for seed in range(3) for place in places}) == 3 * 420


@pytest.mark.parametrize("error", [InvalidRecipe("no"), InfeasibleRecipe("no")])
def test_a_recipe_that_is_not_allowed_leaves_the_knobs_up_to_there(error: Exception) -> None:
    def suggest(trial: optuna.Trial, data: DataConfig) -> Recipe:
        trial.suggest_categorical("first", [1])
        raise error

    space = replace(QUICK, suggest=suggest)
    assert draw((), RandomSampler(seed=0), space, DATA) == {"first": 1}
    with pytest.raises(type(error), match=r"^no$"):
        recipe_of(space, {"first": 1}, DATA)


@pytest.mark.parametrize(
    "error", [KeyError("x"), ValueError("x"), TypeError("x"), ZeroDivisionError("x")]
)
def test_any_other_error_is_the_space_s(error: Exception) -> None:
    def suggest(trial: optuna.Trial, data: DataConfig) -> Recipe:
        raise error

    space, kind = replace(QUICK, name="mine", suggest=suggest), type(error).__name__
    trial = optuna.create_study().ask()
    for call in (
        lambda: suggested(space, trial, DATA),
        lambda: draw((), RandomSampler(seed=0), space, DATA),
    ):
        with pytest.raises(ValueError, match=f"^search space 'mine' raised {kind}: ") as said:
            call()
        assert said.value.__cause__ is error
