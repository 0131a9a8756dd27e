"""Screenings come back from a journal as they were, or are refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.results.screenings import EXACT, Screening

COUNTS = dict.fromkeys(EXACT, 5)
WHOLE = Screening({"ema.track": "short", "a": 1.5}, 0.25, 64, COUNTS)


@given(st.floats(0, 1e6), st.integers(0, 10**9))
def test_they_come_back_from_json(drift: float, images: int) -> None:
    for screening in (
        Screening({"a": True, "b": None}, drift, images, COUNTS),
        Screening({"a": "x"}, None, images, {}, "all weights vanish"),
    ):
        assert Screening.from_dict(json.loads(json.dumps(screening.to_dict()))) == screening


@pytest.mark.parametrize(
    "change",
    [
        {"drift": float("nan")},
        {"drift": -1.0},
        {"drift": "0"},
        {"knobs": {"a": [1]}},
        {"scores": {}},
        {"scores": {**COUNTS, "macs": 0}},
        {"scores": {**COUNTS, "macs": "many"}},
        {"cool_down_images": 1.5},
        {"reason": 3},
        {"yardstick": "2"},
    ],
    ids=str,
)
def test_what_is_not_as_we_write_it_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"drift|knobs|scores|cool_down_images|reason|yardstick"):
        Screening.from_dict({**WHOLE.to_dict(), **change})
