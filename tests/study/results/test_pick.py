"""The model to begin with is small, and as good as can be told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_scores import fake_scores

from study.results.filters import Filter
from study.results.pick import Wish, pick_model, why_none
from study.results.records import TrialRecord
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


FRONT = [
    row(57.0, 1.0, 11_900),
    row(13.4, 1.0, 16_900),
    row(8.1, 1.0, 34_000),
    row(7.9, 1.0, 86_000),
]


@pytest.mark.parametrize(
    ("wish", "size"),
    [
        (Wish(max_fid=15), 11_900),
        (Wish(max_bytes=90_000), 86_000),
        (Wish(max_fid=15, max_bytes=90_000), 34_000),
        (Wish(), 34_000),
    ],
    ids=["smallest", "best", "both", "neither"],
)
def test_a_bound_alone_asks_for_the_end_that_it_leaves_open(wish: Wish, size: int) -> None:
    # The rows are those within the bounds already.
    assert wish.pick(FRONT)["size_bytes"] == size


def test_bounds_become_those_of_the_front_that_is_picked_from() -> None:
    chosen = Wish(max_fid=15, max_bytes=1e5, chosen=Filter(least={"recall": 0.2}))
    found = chosen.filter(("fid", "size_bytes"))
    assert found == Filter(None, {"fid": 15, "size_bytes": 1e5}, {"recall": 0.2})
    # On a front of other objectives the smallest model may not be.
    assert Wish(max_fid=15).filter(("fid", "latency_ms")).objectives == (
        *("fid", "latency_ms", "size_bytes"),
    )
    assert not Wish().filter(("fid", "latency_ms"))
    with pytest.raises(ValueError, match="bound of fid is given twice"):
        Wish(max_fid=15, chosen=Filter(most={"fid": 3})).filter(("fid",))


def test_why_no_model_is_left_names_what_finished_trials_reach() -> None:
    records = [
        TrialRecord(n, "complete", None, fake_scores(fid, size), feasible=False)
        for n, (fid, size) in enumerate([(20.0, 100), (10.0, 200)])
    ]
    chosen = Filter(most={"fid": 5, "kid": 1}, least={"label_agreement": 0.95})
    assert why_none(records, chosen) == (
        "no model has fid at most 5 and kid at most 1 and label_agreement at least 0.95; allowed: "
        "what some finished trial has, which reach fid 10, no kid, label_agreement 0.9"
    )
    assert why_none([], chosen) == "no trial is complete, so there is no front"
