"""Filters keep finished trials within bounds, also such as their study did not have."""

import math

import pytest
from small_scores import fake_scores

from study.results.filters import EVERYTHING, Filter, bounds


@pytest.mark.parametrize(
    ("chosen", "limits", "reason"),
    [
        (EVERYTHING, {}, None),
        (EVERYTHING, {"size_bytes": 99}, "size_bytes 100 is over the limit 99"),
        (Filter(most={"size_bytes": 100}), {"size_bytes": 99}, None),
        (Filter(most={"size_bytes": 99}), {}, "size_bytes 100 is over 99"),
        (Filter(most={"size_bytes": 0}), {}, "size_bytes 100 is over 0"),
        (Filter(most={"fid": -1}), {}, "fid 20 is over -1"),
        (Filter(least={"fid": -1}), {}, None),
        (Filter(least={"label_agreement": 0.9}), {}, None),
        (Filter(least={"label_agreement": 0.91}), {}, "label_agreement 0.9 is under 0.91"),
        (
            Filter(most={"fid": 1}, least={"size_bytes": 101}),
            {},
            "fid 20 is over 1, size_bytes 100 is under 101",
        ),
        (Filter(most={"kid": 1}), {}, "it has no kid"),
        (Filter(least={"ssim": 0.1}), {}, "it has no ssim"),
        (Filter(objectives=("recall",)), {}, "it has no recall"),
    ],
)
def test_what_is_outside_a_bound_is_left_out_with_its_reason(
    chosen: Filter, limits: dict[str, float], reason: str | None
) -> None:
    assert chosen.refusal(fake_scores(20, 100), limits) == reason


def test_what_is_worse_than_noise_stays_left_out() -> None:
    reason = Filter(most={"fid": 1e6}).refusal(fake_scores(700, 100), {})
    assert reason == "fid 700.0 is worse than uniform noise's 600.0"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"most": {"fids": 1}}, "bound is of 'fids' .did you mean 'fid'..; allowed: parameters"),
        ({"most": {"backbone_key": 1}}, "bound is of 'backbone_key'"),
        ({"least": {"fid": math.nan}}, "bound of fid is nan; allowed: a finite number"),
        ({"least": {"fid": "9"}}, "bound of fid is '9'"),
        ({"objectives": ("size",)}, "objective is 'size'"),
    ],
)
def test_a_filter_that_no_trial_could_pass_cannot_be_built(
    values: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Filter(**values)  # type: ignore[arg-type]


def test_only_a_filter_that_asks_for_something_is_true() -> None:
    assert not EVERYTHING
    assert Filter(objectives=("fid",))
    assert Filter(least={"recall": 0.1})


def test_a_bound_is_given_once() -> None:
    assert bounds("--max", [("fid", 2), ("kid", 1)]) == {"fid": 2, "kid": 1}
    with pytest.raises(ValueError, match="--max is of 'fid' twice"):
        bounds("--max", [("fid", 2), ("fid", 3)])
