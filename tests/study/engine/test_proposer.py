"""Proposals: what is in line first, nothing twice, and a look at all before there is nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from small_studies import (
    BACKBONES,
    DATA,
    OBJECTIVES,
    QUICK,
    one_knob,
    proposed,
    proposer,
    rare,
    run,
)

from diffusion.recipe import DataConfig, Recipe
from search_spaces import load_space
from study.engine.admission import MOST_MEASURED
from study.engine.feasibility import stand_in
from study.engine.proposer import MOST_REFUSALS, Nothing, Proposer
from study.run.storage import StudyStorage


def test_the_covering_design_comes_first_in_its_order(tmp_path: Path) -> None:
    recipes = run(proposer(tmp_path), len(QUICK.covering))
    expected = [dict(row) for row in QUICK.covering]
    trials = StudyStorage(tmp_path / "study.journal", OBJECTIVES).frozen_trials()
    assert [trial.params for trial in trials] == [pytest.approx(row) for row in expected]
    assert len({recipe.backbone_key for recipe in recipes}) == BACKBONES


def test_no_recipe_is_proposed_twice_even_after_a_restart(tmp_path: Path) -> None:
    recipes = run(proposer(tmp_path), 25)
    recipes += run(proposer(tmp_path), 25)
    assert len({recipe.key for recipe in recipes}) == 50


def test_an_impossible_proposal_is_infeasible_with_its_reason(tmp_path: Path) -> None:
    rows = [{"backbone.groups": 3}, {"backbone.groups": 1}]
    space = replace(QUICK, suggest=one_knob, covering=rows, reuse_share=0.0)
    (recipe,) = run(proposer(tmp_path, space), 1)
    assert recipe.network.groups == 1
    refused = StudyStorage(tmp_path / "study.journal", OBJECTIVES).records()[0]
    assert refused.state == "infeasible"
    assert refused.reason is not None
    assert "network.groups is 3" in refused.reason


def test_an_exhausted_space_ends_instead_of_repeating(tmp_path: Path) -> None:
    space = replace(QUICK, suggest=one_knob, covering=[], reuse_share=0.0)
    source = proposer(tmp_path, space)
    assert {recipe.network.groups for recipe in run(source, 2)} == {1, 2}
    assert proposed(source) is None
    assert source.propose() is Nothing.EXHAUSTED
    assert len(source.storage.records()) <= 2 + 2 * MOST_REFUSALS


def test_a_recipe_that_is_refused_is_not_handed_out() -> None:
    def refusal(recipe: Recipe) -> str | None:
        return "too grouped" if recipe.network.groups == 4 else None

    storage = StudyStorage(None, OBJECTIVES)
    recipes = run(Proposer(QUICK, DATA, storage, 0, refusal=refusal), 40)
    assert {recipe.network.groups for recipe in recipes} == {1, 2}
    refused = [record for record in storage.records() if record.reason == "too grouped"]
    assert refused
    assert {record.state for record in refused} == {"infeasible"}
    assert len(refused) <= 4 * 3 + 5, "it does not learn"


def test_a_space_in_which_all_is_refused_ends() -> None:
    storage = StudyStorage(None, OBJECTIVES)
    source = Proposer(QUICK, DATA, storage, 0, refusal=lambda recipe: "no")
    assert proposed(source) is None
    assert len(storage.records()) <= MOST_REFUSALS + len(QUICK.covering)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_space_in_which_little_is_allowed_is_not_called_exhausted(seed: int) -> None:
    drawn = replace(QUICK, covering=())
    storage = StudyStorage(None, OBJECTIVES)
    source = Proposer(drawn, DATA, storage, seed, refusal=rare(0.005))
    recipes = run(source, 3)
    assert len({recipe.key for recipe in recipes}) == 3
    assert [rare(0.005)(recipe) for recipe in recipes] == [None] * 3
    refused = [record for record in storage.records() if record.state == "infeasible"]
    assert len(refused) <= 3 * MOST_REFUSALS, "what is drawn further leaves no trace"


def test_the_end_of_a_trial_may_make_more_of_a_space() -> None:
    refusing = True
    space = replace(QUICK, suggest=one_knob, covering=[{"backbone.groups": 1}])
    storage = StudyStorage(None, OBJECTIVES)

    def refusal(recipe: Recipe) -> str | None:
        return "not now" if refusing and recipe.network.groups == 2 else None

    source = Proposer(space, DATA, storage, 0, refusal=refusal)
    number, _ = proposed(source) or pytest.fail("the space is exhausted")
    assert proposed(source) is None
    refusing = False
    assert proposed(source) is None, "nothing has happened since"
    storage.complete(number, {"fid": 1.0, "size_bytes": 2}, 1.0)
    _, recipe = proposed(source) or pytest.fail("the space is exhausted")
    assert recipe.network.groups == 2


def test_a_fixed_list_is_exhausted_at_its_end() -> None:
    space = load_space("system-a-samplers")
    storage = StudyStorage(None, OBJECTIVES)
    source = Proposer(space, DATA, storage, 0)
    run(source, len(space.covering))
    assert source.propose() is Nothing.EXHAUSTED
    assert len(storage.records()) == len(space.covering)


def test_one_call_measures_so_many_models_and_goes_on_in_the_next() -> None:
    measured: list[object] = []

    def refusal(recipe: Recipe) -> str:
        measured.append(stand_in(recipe))
        return "too large"

    source = Proposer(QUICK, DATA, StudyStorage(None, OBJECTIVES), 0, refusal=refusal)
    counts, proposal = [], None
    while proposal is not Nothing.EXHAUSTED:
        before = len(set(measured))
        proposal = source.propose()
        counts.append(len(set(measured)) - before)
    assert max(counts) == MOST_MEASURED
    assert len(counts) > 20, "a look through the whole space"


def test_refused_backbones_do_not_go_on_for_ever() -> None:
    source = Proposer(
        replace(QUICK, covering=()),
        *(DATA, StudyStorage(None, OBJECTIVES), 0),
        refusal=lambda recipe: "no",
    )
    while source.propose_anew() is Nothing.NOT_YET:
        pass
    assert len(source.storage.records()) <= MOST_REFUSALS


def broken(trial: optuna.Trial, data: DataConfig) -> Recipe:
    trial.suggest_categorical("backbone.groups", [1, 2, 3])
    raise KeyError("widths")


@pytest.mark.parametrize("rows", [[], [{"backbone.groups": 1}]])
def test_a_fault_of_the_space_is_said_and_is_no_infeasible_recipe(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    space = replace(QUICK, name="mine", suggest=broken, covering=rows)
    with pytest.raises(
        ValueError, match=r"^search space 'mine' raised KeyError: 'widths'$"
    ) as said:
        proposer(tmp_path, space).propose()
    assert isinstance(said.value.__cause__, KeyError)
    states = [r.state for r in StudyStorage(tmp_path / "study.journal", OBJECTIVES).records()]
    assert "infeasible" not in states
    mended = proposer(tmp_path, replace(space, suggest=one_knob))
    assert proposed(mended) is not None, "a study of a space that was mended goes on"


def test_a_field_that_is_not_allowed_makes_a_recipe_infeasible(tmp_path: Path) -> None:
    def suggest(trial: optuna.Trial, data: DataConfig) -> Recipe:
        recipe = one_knob(trial, data)
        seed = trial.suggest_int("seed", -1, 0)
        return recipe.with_changes({"network.groups": 1, "training.seed": seed})

    space = replace(QUICK, suggest=suggest, covering=[{"backbone.groups": 1, "seed": -1}])
    source = proposer(tmp_path, space)
    assert proposed(source) is not None
    refused = source.storage.records()[0]
    assert (refused.state, "training.seed is -1" in (refused.reason or "")) == ("infeasible", True)
