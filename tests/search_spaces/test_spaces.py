"""Our spaces: what they draw, and what the rows of those are that have some."""

from dataclasses import replace
from typing import Any

import optuna
import pytest

from benchmarks.hand_made import HAND_MADE
from diffusion.config import choices
from diffusion.networks import build_network, count_parameters
from diffusion.recipe import DataConfig, Precision, Recipe
from search_spaces import COMPRESSING, SPACES, load_space
from search_spaces.space import SearchSpace, SpaceOptions

DATA = DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef")
TRAINING_SPACES = [name for name in SPACES if name not in COMPRESSING]
QUICK_BY_HAND = replace(load_space("quick"), name="quick by hand", covering=HAND_MADE)
SPACES_OF_ROWS = pytest.mark.parametrize(
    "space",
    [space for space in map(load_space, TRAINING_SPACES) if space.covering] + [QUICK_BY_HAND],
    ids=lambda space: space.name,
)
DRAWN_SPACES = pytest.mark.parametrize("name", ["quick", "mnist"])


def drawn(space: SearchSpace, trials: int) -> list[tuple[optuna.Trial, Recipe]]:
    """Ask a study for the covering design and then for random draws."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        directions=["minimize"] * 2, sampler=optuna.samplers.RandomSampler(seed=0)
    )
    for row in space.covering:
        study.enqueue_trial(dict(row))
    pairs = []
    for _ in range(trials):
        trial = study.ask()
        pairs.append((trial, space.suggest(trial, DATA)))
    return pairs


@SPACES_OF_ROWS
def test_covering_rows_are_complete_and_build(space: SearchSpace) -> None:
    pairs = drawn(space, len(space.covering))
    for row, (trial, _) in zip(space.covering, pairs, strict=True):
        assert trial.params == pytest.approx(dict(row)), "a knob was left to chance"
    for network in {recipe.network for _, recipe in pairs}:
        build_network(network, DATA)


@pytest.mark.parametrize("name", ["quick", "mnist", "images"])
def test_guidance_acts_where_it_changes_images_alone(name: str) -> None:
    for _, recipe in drawn(load_space(name), 5):
        bounds = recipe.sampling.guidance_sigma_min, recipe.sampling.guidance_sigma_max
        assert bounds == (0.3, 20.0)


@SPACES_OF_ROWS
def test_no_recipe_is_in_a_covering_design_twice(space: SearchSpace) -> None:
    keys = [recipe.key for _, recipe in drawn(space, len(space.covering))]
    assert len(set(keys)) == len(keys)


def test_spaces_of_rows_try_them_all_and_spaces_of_knobs_have_none() -> None:
    for name in TRAINING_SPACES:
        space = load_space(name)
        assert len(space.covering) == (space.trials if space.rows or "grid" in name else 0)


def test_the_grid_holds_every_combination_of_its_levels() -> None:
    grid = load_space("quick-grid")
    recipes = [grid.recipe(row, DATA) for row in grid.covering]
    trainings = {recipe.backbone_key for recipe in recipes}
    assert len(trainings) == 2 * 12
    assert {recipe.training.seed for recipe in recipes}.isdisjoint(
        recipe.training.seed for _, recipe in drawn(load_space("quick"), 60)
    )
    # Five storages, unpruned or two methods and ratios, and three of them cooled down.
    assert len(recipes) == len(trainings) * (5 * (1 + 2 * 2) + 3)
    assert len({recipe.key for recipe in recipes}) == grid.trials == len(recipes)
    assert len({recipe.backbone_key for recipe in recipes[: len(trainings)]}) == len(trainings)
    assert {(r.network.architecture, r.network.widths, r.network.groups) for r in recipes} == {
        (trial_recipe.network.architecture, trial_recipe.network.widths, groups)
        for _, trial_recipe in drawn(load_space("quick"), 60)
        for groups in (1, 2, 4)
    }


def test_quick_networks_stay_under_the_stated_size() -> None:
    recipes = [recipe for _, recipe in drawn(load_space("quick"), 200)]
    networks = {recipe.network for recipe in recipes}
    sizes = [count_parameters(build_network(network, DATA))[0] for network in networks]
    assert max(sizes) < 1_200_000
    assert {n.architecture for n in networks} == {"ncsn", "mini_ddpm"}
    assert {n.groups for n in networks} == {1, 2, 4}


@pytest.mark.parametrize("name", TRAINING_SPACES)
def test_a_space_is_known_by_its_own_name(name: str) -> None:
    assert load_space(name).name == name


def test_an_unknown_space_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"space is 'nope'; allowed: quick, quick-grid, mnist"):
        load_space("nope")


@DRAWN_SPACES
def test_another_training_length_changes_nothing_else(name: str) -> None:
    pairs = zip(
        drawn(load_space(name), 40),
        drawn(load_space(name, SpaceOptions(train_images=777)), 40),
        strict=True,
    )
    for (trial, recipe), (short_trial, short) in pairs:
        assert short_trial.params == trial.params
        assert short == recipe.with_changes({"training.train_images": 777})


@pytest.mark.parametrize("precision", choices(Precision))
@DRAWN_SPACES
def test_another_precision_changes_nothing_else(name: str, precision: Precision) -> None:
    plain, other = load_space(name), load_space(name, SpaceOptions(precision=precision))
    for (trial, recipe), (other_trial, changed) in zip(
        drawn(plain, 20), drawn(other, 20), strict=True
    ):
        assert other_trial.params == trial.params
        assert changed == recipe.with_changes({"training.precision": precision})
        assert changed.drawing_precision == precision


@pytest.mark.parametrize("precision", choices(Precision))
@DRAWN_SPACES
def test_another_precision_of_drawing_keeps_the_training(name: str, precision: Precision) -> None:
    plain, other = load_space(name), load_space(name, SpaceOptions(drawing_precision=precision))
    for (_, recipe), (_, changed) in zip(drawn(plain, 20), drawn(other, 20), strict=True):
        assert changed == recipe.with_changes({"sampling.precision": precision})
        assert changed.backbone_key == recipe.backbone_key


@DRAWN_SPACES
@pytest.mark.parametrize(
    "options", [SpaceOptions(formulation="published"), SpaceOptions(rows=("base",))]
)
def test_options_of_rows_are_refused_where_there_are_none(
    name: str, options: SpaceOptions
) -> None:
    with pytest.raises(ValueError, match=rf"space '{name}' has no named rows; --formulation and"):
        load_space(name, options)


@DRAWN_SPACES
def test_a_space_without_rows_names_none(name: str) -> None:
    with pytest.raises(ValueError, match=rf"'base' in space '{name}'; allowed: none, the space"):
        load_space(name).row("base")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"train_images": 0}, "train_images is 0; allowed: 1 or more"),
        ({"train_images": -5}, "train_images is -5; allowed: 1 or more"),
        ({"formulation": "score_matching"}, "'score_matching'; allowed: edm or published"),
    ],
)
def test_options_that_mean_nothing_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SpaceOptions(**values)


def test_whatever_the_grid_draws_is_a_row_of_it() -> None:
    grid = load_space("quick-grid")
    keys = {grid.recipe(row, DATA).key for row in grid.covering}
    free = replace(grid, covering=())
    found = {recipe.key for _, recipe in drawn(free, 400)}
    assert found <= keys
    assert len(found) > 200


def test_channels_are_removed_in_the_long_spaces_and_without_a_region() -> None:
    pruned = [r.compression for _, r in drawn(load_space("mnist"), 120)]
    methods = {compression.prune_method for compression in pruned}
    assert methods == {"none", "random", "l1", "channels_l1", "channels_loss"}
    ratios = {compression.channel_ratio for compression in pruned}
    assert ratios == {0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7}
    assert {c.prune_region for c in pruned if c.channel_ratio} == {"all"}
    cooled = {(c.channel_ratio > 0, c.finetune_learning_rate) for c in pruned if c.finetune_images}
    assert cooled == {(False, 5e-4), (True, 2e-3)}
    quick = {recipe.compression.channel_ratio for _, recipe in drawn(load_space("quick"), 60)}
    assert quick == {0.0}
