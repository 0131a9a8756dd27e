"""Work in turns: each as often, and ratios round by round."""

import json
import os
from functools import partial
from pathlib import Path

import pytest

from benchmarks import growth as growing
from benchmarks import in_turns as turns
from benchmarks.in_turns import Elsewhere, in_turns, keep, times_faster


def test_work_elsewhere_is_done_as_often_in_a_process_of_its_own(tmp_path: Path) -> None:
    note = f"echo $PPID >> {tmp_path / 'ids'}"
    with Elsewhere(partial, os.system, note) as work:
        assert turns.processor_seconds(work, repeats=3) > 0
        assert turns.processor_seconds(work) > 0
    ids = (tmp_path / "ids").read_text().split()
    assert ids == [ids[0]] * 4
    assert ids[0] != str(os.getpid())
    assert not Path(f"/proc/{ids[0]}").exists()


def test_work_that_breaks_elsewhere_is_not_waited_for(capfd: pytest.CaptureFixture[str]) -> None:
    with Elsewhere(int, "no work") as work, pytest.raises((EOFError, OSError)):
        work.processor_seconds(1)
    assert "invalid literal for int() with base 10: 'no work'" in capfd.readouterr().err


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
