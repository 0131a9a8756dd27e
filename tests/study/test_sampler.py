"""Proposals: the covering design first, a stated share on trained backbones, nothing twice."""

from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from diffusion.recipe import DataConfig, NetworkConfig, Recipe, TrainingConfig
from search_spaces import load_space
from search_spaces.space import SearchSpace
from study.sampler import MOST_REFUSALS, Proposer, draw_seed
from study.storage import StudyStorage

OBJECTIVES = ("fid", "size_bytes")
DATA = DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef")
QUICK = load_space("quick")


def proposer(folder: Path, space: SearchSpace = QUICK, seed: int = 0) -> Proposer:
    return Proposer(space, DATA, StudyStorage(folder / "study.journal", OBJECTIVES), seed)


def run(proposer: Proposer, trials: int) -> list[Recipe]:
    """Propose and finish trials, with scores made from the recipe's hash."""
    recipes = []
    for _ in range(trials):
        proposal = proposer.propose()
        assert proposal is not None
        number, recipe = proposal
        share = int(recipe.key[:8], 16) / 16**8
        scores = {"fid": 1 + share, "size_bytes": 2 - share}
        proposer.storage.complete(number, scores, 1.0)
        recipes.append(recipe)
    return recipes


def test_the_covering_design_comes_first_in_its_order(tmp_path: Path) -> None:
    recipes = run(proposer(tmp_path), len(QUICK.covering))
    expected = [dict(row) for row in QUICK.covering]
    trials = StudyStorage(tmp_path / "study.journal", OBJECTIVES).frozen_trials()
    assert [trial.params for trial in trials] == [pytest.approx(row) for row in expected]
    assert len({recipe.backbone_key for recipe in recipes}) == 6


def test_the_stated_share_of_trials_reuses_a_backbone(tmp_path: Path) -> None:
    recipes = run(proposer(tmp_path), 60)
    covering = len(QUICK.covering)
    for count in range(covering, 61):
        backbones = len({recipe.backbone_key for recipe in recipes[:count]})
        assert backbones <= max(6, (1 - QUICK.reuse_share) * count)
    assert len({recipe.backbone_key for recipe in recipes}) > 6, "new ones are still tried"


def test_no_recipe_is_proposed_twice_even_after_a_restart(tmp_path: Path) -> None:
    recipes = run(proposer(tmp_path), 25)
    recipes += run(proposer(tmp_path), 25)
    assert len({recipe.key for recipe in recipes}) == 50


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
    number, recipe = proposer(tmp_path).propose() or (None, None)
    assert number == 2
    assert recipe is not None
    assert recipe.network.groups == dict(QUICK.covering[2])["backbone.groups"]
    states = [r.state for r in StudyStorage(tmp_path / "study.journal", OBJECTIVES).records()]
    assert states[:3] == ["complete", "complete", "running"]


def one_knob(trial: optuna.Trial, data: DataConfig) -> Recipe:
    groups = trial.suggest_categorical("backbone.groups", [1, 2, 3])
    network = NetworkConfig("mini_ddpm", (8, 16), groups=groups, patch_size=2)
    return Recipe(data, network, TrainingConfig(train_images=64))


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
    assert source.propose() is None
    assert len(source.storage.records()) <= 2 + 2 * MOST_REFUSALS
