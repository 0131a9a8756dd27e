"""Work in turns: each as often, and ratios round by round."""

import json
from pathlib import Path

import pytest

from benchmarks import growth as growing
from benchmarks import in_turns as turns
from benchmarks.in_turns import in_turns, keep, times_faster


def test_each_work_is_done_in_every_round_in_an_order_that_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    monkeypatch.setattr(turns, "LEAST_SECONDS", 0.0)  # each turn is one call
    works = {name: lambda name=name: done.append(name) for name in "ab"}
    seconds = in_turns(works, rounds=3)
    assert "".join(done) == "aabb" + "ab" + "ba" + "ab"
    assert {name: len(found) for name, found in seconds.items()} == {"a": 3, "b": 3}


def test_a_ratio_is_the_median_over_rounds() -> None:
    seconds = {"ours": [1.0, 2.0, 10.0], "theirs": [3.0, 4.0, 10.0]}
    assert times_faster(seconds, "ours", "theirs") == 2.0
    assert times_faster(seconds, "ours", "ours") == 1.0


def test_growth_is_the_cost_over_the_work_against_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = {"small": [1.0, 2.0], "same": [2.0, 4.0], "more": [4.0, 8.0]}
    monkeypatch.setattr(growing, "in_turns", lambda works, rounds: seconds)
    costs = {name: (lambda: None, work) for name, work in zip(seconds, (1, 2, 2), strict=True)}
    assert growing.growth(costs, 2) == {"small": 1.0, "same": 1.0, "more": 2.0}


def test_figures_are_kept_where_a_file_is_named(tmp_path: Path) -> None:
    keep({"a": 1.5}, None)
    keep({"a": 1.5}, tmp_path / "figures.json")
    assert json.loads((tmp_path / "figures.json").read_text()) == {"a": 1.5}
