"""Objectives: a better score costs less, whatever its direction, and none is made up."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.results.objectives import OBJECTIVES, aims, check_objectives, costs, objective_values

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


@pytest.mark.parametrize("names", [(), ("fid", "fid"), ("fid", "beauty")])
def test_objectives_that_are_none_repeated_or_unknown_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"objectives? (is|are) .*; allowed: "):
        check_objectives(names)
