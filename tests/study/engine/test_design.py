"""The engine's own design: every level, good ones first, what can be built, and once a study."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from small_studies import DATA, OBJECTIVES, QUICK, one_knob, proposed

from diffusion.networks import build_network
from diffusion.recipe import CompressionConfig, DataConfig, EmaConfig, Recipe, SamplingConfig
from search_spaces import load_space
from search_spaces.space import BACKBONE_PREFIX, SearchSpace, Value
from study.engine.design import AHEAD, Rows, design, with_design
from study.engine.design_backbones import Backbone, chosen_backbones
from study.engine.design_draws import NetworkCost, candidates, network_cost
from study.engine.knob_sets import backbone_knobs
from study.engine.proposer import Proposer
from study.run.storage import StudyStorage

BARE, MNIST = load_space("quick"), load_space("mnist")
Suggest = Callable[[optuna.Trial, DataConfig], Recipe]


def space_of(suggest: Suggest, reuse_share: float = 0.75) -> SearchSpace:
    return replace(BARE, name="mine", suggest=suggest, reuse_share=reuse_share)


def recipes(space: SearchSpace, rows: Rows) -> list[Recipe]:
    return [space.recipe(row, DATA) for row in rows]


def values(rows: Rows) -> dict[str, set[Value]]:
    """Return every knob's values."""
    return {name: {row[name] for row in rows if name in row} for row in rows for name in row}


def train_macs(recipe: Recipe) -> int:
    return network_cost(recipe.network, DATA).train_macs(recipe)


@pytest.fixture(scope="module")
def quick_rows() -> Rows:
    return design(BARE, DATA, 0, 24)


@pytest.mark.parametrize(("space", "trials"), [(BARE, 24), (MNIST, 200)])
def test_every_level_of_every_knob_of_our_spaces_occurs(space: SearchSpace, trials: int) -> None:
    found = values(design(space, DATA, 3, trials))
    screened = values(design(space, DATA, 3, trials, screens=True))
    every = values([c.knobs for c in candidates(space, DATA, range(1_000))])
    for name, possible in every.items():
        if name == "compression.quantization_step":
            assert min(found[name]) < 0.79, "the lowest of four strata from 0.5 to 3"
            assert max(found[name]) > 1.91, "the highest"
        else:
            assert {_rounded(v) for v in possible} == {_rounded(v) for v in found[name]}
        if name.startswith(BACKBONE_PREFIX):
            assert screened[name] == found[name], "all that shapes a training"


def _rounded(value: Value) -> Value:
    return round(value, 6) if isinstance(value, float) else value


def test_rows_are_complete_distinct_and_can_be_built(quick_rows: Rows) -> None:
    made = recipes(BARE, quick_rows)
    assert len({recipe.key for recipe in made}) == len(made) == 16
    for network in {recipe.network for recipe in made}:
        build_network(network, DATA)


def test_knobs_come_with_their_conditions_only(quick_rows: Rows) -> None:
    for row in quick_rows:
        uniform = row["compression.quantization"] == "uniform"
        assert ("compression.quantization_step" in row) == uniform
        pruned = row["compression.prune_method"] != "none"
        assert ("compression.prune_ratio" in row) == pruned
        assert f"backbone.{row['backbone.architecture']}.widths" in row


def test_a_seed_makes_the_same_design_again_and_another_one_another(quick_rows: Rows) -> None:
    assert design(BARE, DATA, 0, 24) == quick_rows
    other, again = (design(space_of(two_knobs), DATA, seed, 24) for seed in (1, 2))
    assert other != again


def test_each_backbone_begins_unpruned_and_two_trainings_begin_at_once(quick_rows: Rows) -> None:
    made = recipes(BARE, quick_rows)
    first = {recipe.backbone_key: recipe for recipe in reversed(made)}
    for recipe in first.values():
        assert recipe.compression.prune_method == "none"
        assert recipe.compression.quantization in ("none", "linear8", "linear4")
    assert made[0].backbone_key != made[1].backbone_key, "two workers would share one training"


def made_up(train_macs: int, parameters: int) -> Backbone:
    name = f"{train_macs}-{parameters}"
    levels = frozenset({("backbone.name", name)})
    return Backbone({"backbone.name": name}, levels, NetworkCost(1, parameters, {}), train_macs)


@pytest.mark.parametrize("most", [1, 2, 4, 8])
def test_what_computes_most_for_its_size_comes_first_but_the_dearest_last(most: int) -> None:
    dear = [made_up(800, 10), made_up(900, 90)]
    best = made_up(300, 10)
    others = [made_up(100, 10), made_up(200, 10), made_up(300, 20), made_up(300, 30)]
    chosen = chosen_backbones([*dear, *others, best, made_up(400, 20)], most)
    assert len(chosen) == most
    assert chosen[0] == best, "one quarter, two of eight, are too dear to begin with"
    order = [(backbone in dear, -backbone.intensity) for backbone in chosen]
    assert order == sorted(order), "and the dearest come last"


@pytest.mark.parametrize(
    ("trials", "reuse_share"), [(1, 0.75), (2, 0.0), (5, 0.5), (24, 0.75), (24, 0.0), (80, 1.0)]
)
def test_a_design_takes_two_thirds_of_the_trials_and_trains_its_share(
    trials: int, reuse_share: float
) -> None:
    rows = design(space_of(two_knobs, reuse_share), DATA, 0, trials)
    most = max(1, 2 * trials // 3)
    assert 1 <= len(rows) <= most
    assert len({backbone_knobs(row) for row in rows}) <= max(1, round((1 - reuse_share) * most))
    if trials >= 24:
        found = values(rows)
        assert found["ema.track"] == {"short", "mid", "long"}
        assert found["backbone.groups"] == {1, 2} or reuse_share == 1


def two_knobs(trial: optuna.Trial, data: DataConfig) -> Recipe:
    """Draw a backbone, of which the third cannot be built, its average and how it is pruned."""
    recipe = one_knob(trial, data)
    track: Any = trial.suggest_categorical("ema.track", ["short", "mid", "long"])
    ratio = trial.suggest_float("compression.prune_ratio", 0.1, 0.9)
    return replace(
        recipe, ema=EmaConfig(track), compression=CompressionConfig("l1", round(ratio, 2))
    )


def test_a_space_with_one_knob_has_each_backbone_that_can_be_built() -> None:
    rows = design(space_of(one_knob, 0.0), DATA, 0, 24)
    assert sorted(row["backbone.groups"] for row in rows) == [1, 2]


def test_a_space_without_backbone_knobs_has_one_training() -> None:
    def suggest(trial: optuna.Trial, data: DataConfig) -> Recipe:
        track: Any = trial.suggest_categorical("ema.track", ["short", "mid"])
        return replace(one_knob(fixed, data), ema=EmaConfig(track))

    fixed: Any = optuna.trial.FixedTrial({"backbone.groups": 1})
    rows = design(space_of(suggest), DATA, 0, 24)
    assert sorted(str(row["ema.track"]) for row in rows) == ["mid", "short"]


@pytest.mark.parametrize(
    ("groups", "reason"), [(3, "network.groups is 3"), (-1, "no draw makes a recipe")]
)
def test_a_space_that_draws_nothing_buildable_is_refused_by_name(groups: int, reason: str) -> None:
    def suggest(trial: optuna.Trial, data: DataConfig) -> Recipe:
        return one_knob(trial, data).with_changes({"network.groups": groups})

    with pytest.raises(ValueError, match=r"'mine' draws nothing that can be built") as error:
        design(space_of(suggest), DATA, 0, 24)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def resumed(folder: Path, trials: int) -> Proposer:
    storage = StudyStorage(folder / "study.journal", OBJECTIVES)
    return Proposer(with_design(BARE, DATA, storage, 0, trials), DATA, storage, 0)


def test_a_resumed_study_goes_on_with_its_design_whatever_its_trials(
    tmp_path: Path, quick_rows: Rows
) -> None:
    for trials in (24, 24, 60):
        source = resumed(tmp_path, trials)
        number, _ = proposed(source) or pytest.fail("nothing was in line")
        source.storage.complete(number, {"fid": 1.0, "size_bytes": 2}, 1.0)
        assert source.line_up()
        assert len(source.storage.records()) == len(quick_rows)
    begun = [t.params for t in source.storage.frozen_trials()[:3]]
    assert begun == [pytest.approx(row) for row in quick_rows[:3]]


def test_a_study_that_began_without_a_design_goes_on_without(tmp_path: Path) -> None:
    storage = StudyStorage(tmp_path / "study.journal", OBJECTIVES)
    proposed(Proposer(BARE, DATA, storage, 0))
    assert with_design(BARE, DATA, storage, 0, 24).covering == []


@pytest.mark.parametrize(("screens", "first"), [(True, AHEAD), (False, None)])
def test_rows_come_in_turns_where_compressions_are_screened(
    screens: bool, first: int | None
) -> None:
    storage = StudyStorage(None, OBJECTIVES)
    space = with_design(BARE, DATA, storage, 0, 24, screens=screens)
    assert space.covering_first == first
    assert len(space.covering) == (4 if screens else 16)


def test_a_space_keeps_its_own_design() -> None:
    storage = StudyStorage(None, OBJECTIVES)
    rows = load_space("system-b-mini")
    for space in (QUICK, rows):
        assert with_design(space, DATA, storage, 0, 24) is space


def test_backbones_of_a_design_differ_in_cost(quick_rows: Rows) -> None:
    backbones = {backbone_knobs(row) for row in quick_rows}
    assert len(backbones) == 4
    assert all(name.startswith(BACKBONE_PREFIX) for knobs in backbones for name, _ in knobs)
    costs = [train_macs(recipe) for recipe in recipes(BARE, quick_rows)]
    assert max(costs) > 3 * min(costs)


def test_where_compressions_are_screened_each_backbone_begins_with_its_least_compressed(
    quick_rows: Rows,
) -> None:
    rows = design(BARE, DATA, 0, 24, screens=True)
    firsts: dict[object, dict[str, Value]] = {}
    for row in quick_rows:
        firsts.setdefault(backbone_knobs(row), row)
    assert [backbone_knobs(row) for row in rows] == list(firsts)
    assert all(recipe.compression.finetune_images == 0 for recipe in recipes(BARE, rows))


@pytest.mark.parametrize("space", [BARE, MNIST, load_space("images")], ids=lambda s: s.name)
@pytest.mark.parametrize("seed", [0, 1])
def test_screened_backbones_are_compared_by_models_that_are_drawn_from_alike(
    space: SearchSpace, seed: int
) -> None:
    made = recipes(space, design(space, DATA, seed, 40, screens=True))
    assert len({recipe.backbone_key for recipe in made}) == len(made) >= 4
    assert len({recipe.sampling for recipe in made}) == 1


def steps_of_their_own(trial: optuna.Trial, data: DataConfig) -> Recipe:
    """Draw a backbone with one group, or one with two, which are drawn from in other steps."""
    recipe = one_knob(trial, data)
    few = recipe.network.groups == 1
    steps = trial.suggest_int("sampling.steps", 3 if few else 13, 12 if few else 22)
    return replace(recipe, sampling=SamplingConfig(steps=steps))


def test_a_backbone_keeps_its_way_of_drawing_where_it_knows_no_other() -> None:
    made = recipes(
        space_of(steps_of_their_own, 0.0),
        design(space_of(steps_of_their_own, 0.0), DATA, 0, 24, screens=True),
    )
    steps = {recipe.network.groups: recipe.sampling.steps for recipe in made}
    assert steps[1] <= 12 < steps[2]


def any_guidance(trial: optuna.Trial, data: DataConfig) -> Recipe:
    recipe = one_knob(trial, data)
    return replace(
        recipe, sampling=SamplingConfig(guidance=trial.suggest_float("sampling.g", 1, 3))
    )


def idle_knob(trial: optuna.Trial, data: DataConfig) -> Recipe:
    """Draw a backbone by two knobs, of which one changes nothing, and how it is drawn from."""
    trial.suggest_categorical("backbone.idle", [0, 1])
    recipe = one_knob(trial, data)
    steps = trial.suggest_categorical("sampling.steps", [3, 4])
    return replace(recipe, sampling=SamplingConfig(steps=int(steps)))


@pytest.mark.parametrize(("suggest", "ways"), [(any_guidance, 1), (idle_knob, 2)])
def test_what_is_drawn_from_alike_is_still_no_recipe_twice(suggest: Suggest, ways: int) -> None:
    space = space_of(suggest, 0.0)
    made = recipes(space, design(space, DATA, 0, 24, screens=True))
    assert len({recipe.key for recipe in made}) == len(made) >= 2
    assert len({recipe.backbone_key for recipe in made}) == 2
    assert len({recipe.sampling for recipe in made}) == ways
