"""Taking up a study: whatever was cut off, the same proposals follow."""

import shutil
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from small_studies import DATA, OBJECTIVES, QUICK, proposed, proposer, rare, run, scored

from diffusion.recipe import Recipe
from study.engine.draws import draw_seed
from study.engine.proposer import Nothing, Proposer
from study.run.storage import StudyStorage


def half(recipe: Recipe) -> str | None:
    return "refused" if int(recipe.key[:4], 16) < 16**4 * 0.4 else None


def test_draws_depend_on_the_seed_and_the_number_alone(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    whole = run(proposer(folders[0]), 30)
    parts = run(proposer(folders[1]), 20) + run(proposer(folders[1]), 10)
    assert parts == whole, "a restart changed the draws"
    assert run(proposer(folders[2], seed=1), 30) != whole
    assert len({draw_seed(seed, n) for seed in range(30) for n in range(30)}) == 900


def test_a_trial_cut_off_before_its_recipe_is_taken_up_again(tmp_path: Path) -> None:
    source = proposer(tmp_path)
    run(source, 2)
    source.storage.ask(optuna.samplers.RandomSampler(seed=0))  # and then the driver dies
    number, recipe = proposed(proposer(tmp_path)) or (None, None)
    assert number == 2
    assert recipe is not None
    assert recipe.network.groups == dict(QUICK.covering[2])["backbone.groups"]
    states = [r.state for r in StudyStorage(tmp_path / "study.journal", OBJECTIVES).records()]
    assert states[:3] == ["complete", "complete", "running"]


def test_trials_that_end_out_of_order_are_all_learned_from(tmp_path: Path) -> None:
    source = proposer(tmp_path)
    running: list[tuple[int, Recipe]] = []
    for _ in range(30):
        running.append(proposed(source) or pytest.fail("the space is exhausted"))
        if len(running) == 3:
            scored(source, *running.pop(1), 80.0)
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "study.journal", tmp_path / "copy")
    assert proposer(tmp_path / "copy").propose() == source.propose()


def test_restarts_change_no_draw_where_trials_are_refused_and_nothing_is_feasible() -> None:
    courses = []
    for restarts in (False, True):
        storage = StudyStorage(None, OBJECTIVES, {"fid": 0.5})
        source = Proposer(QUICK, DATA, storage, 0, refusal=half)
        recipes: list[Recipe] = []
        for _ in range(30):
            recipes += run(source, 1)
            if restarts:
                source = Proposer(QUICK, DATA, storage, 0, refusal=half)
        courses.append(recipes)
    assert courses[0] == courses[1]


def test_a_further_look_finds_the_same_after_a_restart() -> None:
    drawn = replace(QUICK, covering=())
    courses = []
    for restarts in (False, True):
        storage = StudyStorage(None, OBJECTIVES)
        source = Proposer(drawn, DATA, storage, 0, refusal=rare(0.005))
        recipes: list[Recipe] = []
        while len(recipes) < 2:
            if restarts:
                source = Proposer(drawn, DATA, storage, 0, refusal=rare(0.005))
                for _ in range(3):  # and then the driver dies, where nothing is found so far
                    if not isinstance(proposal := source.propose(), Nothing):
                        break
                else:
                    proposal = proposed(source)
            else:
                proposal = proposed(source)
            number, recipe = proposal or pytest.fail("the space is exhausted")
            storage.complete(number, {"fid": 1.0, "size_bytes": 2}, 1.0)
            recipes.append(recipe)
        courses.append(recipes)
    assert courses[0] == courses[1]
