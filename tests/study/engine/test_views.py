"""Views: each backbone once for the training's knobs, near compressions for all others."""

import itertools
from collections.abc import Sequence
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.samplers import RandomSampler

from diffusion.recipe import DataConfig
from search_spaces import load_space
from study.engine.draws import draw, fixing, view_tpe
from study.engine.history import History
from study.engine.knob_sets import backbone_knobs
from study.engine.views import MOST_COMPRESSIONS, backbone_view, compression_view
from study.results.dominance import non_dominated
from study.results.objectives import Scores
from study.run.storage import StudyStorage

OBJECTIVES = ("fid", "size_bytes")
DATA = DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef")
QUICK = load_space("quick")
NARROW = {"backbone.conditioning": "narrow"}
GOOD = {"backbone.architecture": "mini_ddpm", "backbone.mini_ddpm.widths": "24-64", **NARROW}
POOR = {"backbone.architecture": "ncsn", "backbone.ncsn.widths": "16-32-64-128", **NARROW}


class Study:
    """Trials of the quick space, ended as a test wants."""

    def __init__(self, objectives: tuple[str, ...] = OBJECTIVES) -> None:
        self.storage = StudyStorage(None, objectives, {"size_bytes": 1000.0})

    def start(self, knobs: dict[str, Any]) -> int:
        seed = len(self.storage.frozen_trials())
        trial = self.storage.ask(fixing(knobs, RandomSampler(seed=seed)))
        self.storage.accept(trial, QUICK.suggest(trial, DATA))
        return trial.number

    def complete(self, knobs: dict[str, Any], *values: float, **scores: float) -> None:
        named: Scores = dict(zip(self.storage.objectives, values, strict=True)) | scores
        self.storage.complete(self.start(knobs), named, 1.0)

    def history(self, order: Sequence[int] | None = None) -> History:
        history = History(self.storage.objectives)
        trials, records = self.storage.frozen_trials(), self.storage.records()
        for record, trial in zip(records, trials, strict=True):
            if record.recipe is not None:
                history.accept(trial.params)
        for number in range(len(trials)) if order is None else order:
            if trials[number].state.is_finished():
                history.take_in(records[number], trials[number])
        return history


def seen(trials: list[optuna.trial.FrozenTrial]) -> list[tuple[Any, ...]]:
    return [(t.params, t.state, t.values, t.constraints) for t in trials]


def test_the_training_s_knobs_see_each_backbone_once_however_often_it_was_compressed() -> None:
    study = Study()
    study.complete({**GOOD, "backbone.groups": 1}, 9, 400)
    for i in range(30):
        study.complete({**POOR, "backbone.groups": 2}, 100 - i, 500 + i)
    first, second = backbone_view(study.history().backbones.values())
    assert first.params == {**GOOD, "backbone.groups": 1}
    assert second.params == {**POOR, "backbone.groups": 2}
    assert (first.values, second.values) == ([9, 400], [71, 500])


def test_what_breaks_a_limit_counts_only_where_nothing_keeps_to_it() -> None:
    study = Study()
    study.complete({**GOOD, "backbone.groups": 1}, 9, 4000)
    study.complete({**GOOD, "backbone.groups": 1}, 20, 900)
    study.complete({**POOR, "backbone.groups": 1}, 5, 3000)
    first, second = backbone_view(study.history().backbones.values())
    assert (first.values, first.constraints) == ([20, 900], {"excess": 0})
    assert (second.values, second.constraints) == ([5, 3000], {"excess": 2})


def test_compressions_are_relative_to_their_own_backbone() -> None:
    study = Study()
    for knobs, scale in ((GOOD, 1), (POOR, 7)):
        study.complete({**knobs, "backbone.groups": 1}, 10 * scale, 100 * scale)
        study.complete({**knobs, "backbone.groups": 1}, 15 * scale, 50 * scale)
    view = compression_view(study.history().backbones.values())
    assert [trial.values for trial in view] == 2 * [[0, 1], [0.5, 0]]
    assert not any(name.startswith("backbone.") for trial in view for name in trial.params)
    alone = compression_view(list(study.history().backbones.values())[1:])
    assert seen(alone) == seen(view[2:]), "other backbones are not seen"


def test_only_the_latest_compressions_are_seen() -> None:
    study = Study()
    for i in range(MOST_COMPRESSIONS + 7):
        study.complete({**GOOD, "backbone.groups": 1}, 100.0, 100 + i)
    view = compression_view(study.history().backbones.values())
    assert len(view) == MOST_COMPRESSIONS
    assert view[0].values == [0, pytest.approx(0.07)]


def test_a_training_stopped_early_is_seen_as_at_its_last_rung() -> None:
    study = Study()
    number = study.start({**POOR, "backbone.groups": 4})
    study.storage.keep_rung(number, 16_000, {"fid": 90.0, "size_bytes": 70})
    study.storage.keep_rung(number, 32_000, {"fid": 80.0, "size_bytes": 70})
    study.storage.prune(number, "stopped", 1.0)
    (trial,) = backbone_view(study.history().backbones.values())
    assert (trial.params["backbone.groups"], trial.values) == (4, [80, 70])


def test_a_backbone_that_cannot_be_built_is_seen_as_infeasible_and_a_running_one_not() -> None:
    study = Study()
    study.start({**GOOD, "backbone.groups": 1})
    trial = study.storage.ask(fixing({**POOR, "backbone.groups": 4}, RandomSampler(seed=1)))
    QUICK.suggest(trial, DATA)
    study.storage.refuse(trial, "cannot be built")
    (seen_trial,) = backbone_view(study.history().backbones.values())
    assert seen_trial.params["backbone.groups"] == 4
    assert seen_trial.state.name == "PRUNED"
    assert seen_trial.constraints == {"excess": 1}


def test_a_refused_duplicate_teaches_nothing() -> None:
    study = Study()
    study.complete({**GOOD, "backbone.groups": 1}, 10, 100)
    before = study.history()
    trial = study.storage.ask(fixing(study.storage.frozen_trials()[0].params, RandomSampler()))
    QUICK.suggest(trial, DATA)
    study.storage.refuse(trial, "the same recipe as trial 0")
    after = study.history()
    assert seen(compression_view(after.backbones.values())) == seen(
        compression_view(before.backbones.values())
    )


def test_a_maximised_objective_is_seen_as_a_cost() -> None:
    study = Study(("label_agreement", "size_bytes"))
    study.complete({**GOOD, "backbone.groups": 1}, 0.5, 100)
    study.complete({**GOOD, "backbone.groups": 1}, 0.9, 100)
    history = study.history()
    assert [variant.number for variant in history.front] == [1]
    (trial,) = backbone_view(history.backbones.values())
    assert trial.values == [-0.9, 100]
    assert compression_view(history.backbones.values())[0].values[0] == pytest.approx(4 / 9)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_order_in_which_trials_end_changes_no_view(data: st.DataObject) -> None:
    study, costs = Study(), st.tuples(st.integers(1, 9), st.integers(600, 1200))
    for knobs, groups in itertools.product((GOOD, POOR), (1, 2)):
        for values in data.draw(st.lists(costs, min_size=1, max_size=3)):
            study.complete({**knobs, "backbone.groups": groups}, *values)
    numbers = range(len(study.storage.records()))
    usual, other = study.history(), study.history(data.draw(st.permutations(numbers)))
    assert [v.number for v in other.front] == [v.number for v in usual.front]
    for view in (backbone_view, compression_view):
        assert seen(view(other.backbones.values())) == seen(view(usual.backbones.values()))
    feasible = [r for r in study.storage.records() if r.feasible and r.scores]
    values = [[r.scores[name] for name in OBJECTIVES] for r in feasible if r.scores]
    expected = [feasible[position].number for position in non_dominated(values)]
    assert [variant.number for variant in usual.front] == expected


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_trials_as_far_over_a_limit_the_better_one_is_seen_whichever_ended_first(
    order: tuple[int, int],
) -> None:
    study = Study()
    for fid in (2.0, 1.0):
        study.complete({**GOOD, "backbone.groups": 1}, fid, 1_001)
    (trial,) = backbone_view(study.history(order).backbones.values())
    assert trial.values == [1.0, 1_001]


@pytest.mark.parametrize(
    ("train", "generate", "share"),
    [
        (100.0, 10.0, 1 / 9),
        (130.0, 13.9, 1 / 9),  # noise in the timings changes nothing
        (10.0, 10.0, 1 / 2),
        (10.0, 40.0, 1 / 1.25),
        (2000.0, 8.0, 1 / 257),
        (0.0, 8.0, 0.3),
        (100.0, 0.0, 0.3),
    ],
)
def test_the_share_of_new_backbones_follows_the_measured_costs(
    train: float, generate: float, share: float
) -> None:
    study = Study()
    for groups in (1, 2):
        timings = {"train_seconds": train, "generate_seconds": generate, "score_seconds": 0.0}
        study.complete({**GOOD, "backbone.groups": groups}, 10, 100, **timings)
    assert study.history().timings.new_share(0.3) == pytest.approx(share)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_draw_keeps_what_is_fixed_and_makes_a_whole_recipe(seed: int) -> None:
    study = Study()
    for i in range(12):
        study.complete({**GOOD, "backbone.groups": 1 + i % 2}, 10 + i, 100 - i)
    fixed = {**POOR, "backbone.groups": 4}
    view = compression_view(study.history().backbones.values())
    params = draw(view, fixing(fixed, view_tpe(seed)), QUICK, DATA)
    assert dict(backbone_knobs(params)) == fixed
    pruned = params["compression.prune_method"] != "none"
    assert ("compression.prune_ratio" in params) == pruned
    assert QUICK.recipe(params, DATA).network.groups == 4


def test_what_is_near_the_front_is_drawn_more_often() -> None:
    study = Study()
    for i, quantization in enumerate(12 * ["none", "weights8", "linear8", "linear4"]):
        fid = 10 if quantization == "weights8" else 50
        knobs = {**GOOD, "backbone.groups": 1, "compression.quantization": quantization}
        study.complete(knobs, fid + i / 100, 100.0)
    view = compression_view(study.history().backbones.values())
    drawn = [
        draw(view, view_tpe(seed), QUICK, DATA)["compression.quantization"] for seed in range(20)
    ]
    assert drawn.count("weights8") > 10
