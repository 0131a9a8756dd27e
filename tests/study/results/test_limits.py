"""Limits: what exceeds one is told apart from what keeps to it, and why."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.results.limits import check_limits, excesses, over_limits


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
