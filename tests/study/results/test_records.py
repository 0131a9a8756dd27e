"""Objectives of both directions, and limits, mean the same wherever they are used."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion.recipe import Recipe
from study.results.limits import check_limits, over_limits
from study.results.objectives import OBJECTIVES, aims, check_objectives, costs, objective_values
from study.results.records import TrialRecord

MAXIMISED = {"label_agreement", "precision", "recall"}


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_a_better_score_costs_less(name: str) -> None:
    better, worse = (0.9, 0.1) if name in MAXIMISED else (0.1, 0.9)
    assert costs({name: better}, (name,)) < costs({name: worse}, (name,))


@given(st.dictionaries(st.sampled_from(sorted(OBJECTIVES)), st.floats(-1e9, 1e9), min_size=1))
def test_costs_differ_from_values_in_sign_alone(scores: dict[str, float]) -> None:
    names = tuple(scores)
    signs = [-1 if name in MAXIMISED else 1 for name in names]
    values = objective_values(scores, names)
    assert costs(scores, names) == [s * v for s, v in zip(signs, values, strict=True)]


@pytest.mark.parametrize("value", [None, math.nan, math.inf, "good"])
def test_a_cost_of_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"recall is .*; allowed: a finite number"):
        costs({"recall": value}, ("recall",))


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("fid", "size_bytes"), "minimising fid and size_bytes"),
        (("fid", "recall", "size_bytes"), "minimising fid and size_bytes, maximising recall"),
        (("recall",), "maximising recall"),
        (("fid", "macs", "kid"), "minimising fid, macs and kid"),
    ],
)
def test_aims_are_said_by_direction(names: tuple[str, ...], text: str) -> None:
    assert aims(check_objectives(names)) == text


@given(st.floats(0.5, 1e6), st.floats(0.5, 1e6))
def test_scores_are_over_a_limit_only_beyond_it(macs: float, most: float) -> None:
    limits = check_limits([("macs", most), ("fid", 1e9)])
    reason = over_limits({"macs": macs, "fid": 1.0}, limits)
    assert (reason is not None) == (macs > most)
    assert reason is None or reason.startswith("macs ")


def test_each_limit_that_is_exceeded_is_named() -> None:
    reason = over_limits({"macs": 12_000, "fid": 30.5}, {"macs": 10_000, "fid": 25.0})
    assert reason == "macs 12,000 is over the limit 10,000, fid 30.5 is over the limit 25"


@given(st.floats(0, 2000), st.floats(0.5, 1e3))
def test_a_model_worse_than_noise_is_over_a_limit_in_every_study(fid: float, noise: float) -> None:
    reason = over_limits({"fid": fid, "fid_noise": noise}, {})
    assert (reason is not None) == (fid > noise)


def test_it_is_said_how_much_worse_than_noise() -> None:
    reason = over_limits({"fid": 714.12, "fid_noise": 690.6}, {})
    assert reason == "fid 714.1 is worse than uniform noise's 690.6"


@pytest.mark.parametrize("most", [0, -1, math.inf, math.nan, "many", True, None])
def test_a_limit_that_is_no_positive_number_is_refused(most: float) -> None:
    with pytest.raises(ValueError, match=r"limit of macs is .*; allowed: a finite number above 0"):
        check_limits([("macs", most)])


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        (TrialRecord(0, "complete", None, {}), "complete"),
        (TrialRecord(0, "complete", None, {}, feasible=False), "over a limit"),
        (TrialRecord(0, "pruned", None), "stopped early"),
        (TrialRecord(0, "failed", None), "failed"),
        (TrialRecord(0, "infeasible", None, feasible=False), "infeasible"),
    ],
)
def test_outcomes_are_told_apart(record: TrialRecord, outcome: str) -> None:
    assert record.outcome == outcome


def test_refused_and_running_trials_do_not_count(digit_recipe: Recipe) -> None:
    states = ("running", "complete", "pruned", "failed", "infeasible", "waiting")
    finished = [state for state in states if TrialRecord(0, state, digit_recipe).finished]
    assert finished == ["complete", "pruned", "failed"]
