"""Limits: what exceeds one is told apart from what keeps to it, and why."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.results.limits import (
    check_limits,
    constraint_of,
    excesses,
    floor,
    over_limits,
    said,
    scores_of,
)


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
    "pairs", [[("macs", 1), ("macs", 2)], [("beauty", 1)], [("recall", 0.5)], [("fid_noise", 1)]]
)
def test_a_limit_of_no_minimised_score_or_a_second_one_is_refused(
    pairs: list[tuple[str, float]],
) -> None:
    name = pairs[0][0]
    with pytest.raises(ValueError, match=f"limit is of '{name}'; allowed: .*, each once"):
        check_limits(pairs)


def test_an_excess_is_a_share_of_its_limit() -> None:
    scores = {"macs": 150.0, "fid": 30.0, "fid_noise": 60.0}
    assert excesses(scores, {"macs": 100.0}) == {"macs": 0.5, "fid_noise": -0.5}


@given(st.floats(0.5, 1e6), st.floats(0.5, 1e6), st.sampled_from(["recall", "fid", "parameters"]))
def test_scores_are_under_a_floor_only_below_it(value: float, least: float, name: str) -> None:
    reason = over_limits({name: value}, check_limits([(floor(name), least)]))
    assert (reason is not None) == (value < least)
    assert reason is None or reason.startswith(f"{name} ")


def test_a_floor_and_a_most_of_one_score_are_told_apart() -> None:
    limits = check_limits([("fid", 20.0), (floor("fid"), 10.0), (floor("recall"), 0.5)])
    assert said(limits) == ["fid at most 20", "fid at least 10", "recall at least 0.5"]
    assert scores_of(limits) == ("fid", "recall")
    assert [constraint_of(key) for key in limits] == ["max_fid", "min_fid", "min_recall"]
    assert over_limits({"fid": 15.0, "recall": 0.5}, limits) is None
    assert over_limits({"fid": 5.0, "recall": 0.25}, limits) == (
        "fid 5 is under the limit 10, recall 0.25 is under the limit 0.5"
    )
    shares = excesses({"fid": 25.0, "recall": 0.25}, limits)
    assert shares == {"fid": 0.25, floor("fid"): -1.5, floor("recall"): 0.5}


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([(floor("beauty"), 1.0)], "limit is of 'beauty'; allowed: fid, .*recall, each once"),
        ([(floor("recall"), 0.1), (floor("recall"), 0.2)], "limit is of 'recall'; allowed: fid"),
        ([("fid", 5.0), (floor("fid"), 6.0)], "least of fid is 6, above its most; allowed: up to"),
        ([(floor("recall"), 0)], "limit of recall is 0; allowed: a finite number above 0"),
    ],
)
def test_a_floor_that_cannot_be_is_refused(pairs: list[tuple[str, float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_limits(pairs)
