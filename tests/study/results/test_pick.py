"""The model to begin with is small, and as good as can be told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.results.pick import pick_model
from study.results.rows import FrontRow


def row(fid: float, margin: float, size: int) -> FrontRow:
    return {"fid": fid, "fid_low": fid - margin, "fid_high": fid + margin, "size_bytes": size}


@pytest.mark.parametrize(
    ("margin", "picked"),
    [(0.0, 1_730_000), (0.09, 1_730_000), (0.11, 125_000), (9.0, 125_000), (60.0, 9_000)],
    ids=["exact", "apart", "within reach", "wide", "all alike"],
)
def test_the_smallest_model_that_may_be_as_good_as_the_best_is_picked(
    margin: float, picked: int
) -> None:
    rows = [row(60.0, margin, 9_000), row(11.6, margin, 125_000), row(11.5, margin, 1_730_000)]
    assert pick_model(rows)["size_bytes"] == picked


def test_of_one_size_the_better_is_picked() -> None:
    assert pick_model([row(12.0, 5.0, 100), row(11.0, 5.0, 100)])["fid"] == 11


ROWS = st.builds(row, st.floats(0, 100), st.floats(0, 20), st.integers(1, 9))


@given(st.lists(ROWS, min_size=1))
def test_nothing_picked_is_larger_than_the_best_nor_surely_worse(rows: list[FrontRow]) -> None:
    best, picked = min(rows, key=lambda found: found["fid"]), pick_model(rows)
    assert picked["size_bytes"] <= best["size_bytes"]
    assert picked["fid_low"] <= best["fid"]


def test_of_no_models_none_is_picked() -> None:
    with pytest.raises(ValueError, match="0 models; allowed: one or more"):
        pick_model([])
