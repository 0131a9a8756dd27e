"""Importances: the knob that makes the figure is told from the one that does not."""

import warnings
from typing import Any

import pytest

from study.display.report.importances import FEWEST, importances_of
from study.results.records import TrialRecord
from study.results.rows import SEARCHED

AIMS = ("fid", "recall")


def trial(number: int, **scores: Any) -> TrialRecord:
    knobs: dict[str, Any] = {
        "deep": number / 40,
        "idle": (number * 7) % 40,
        "mode": "ab"[number % 2],
    }
    if number % 2:
        knobs["only.b"] = number
    return TrialRecord(number, "complete", None, scores, knobs=knobs)


def shares(found: list[dict[str, Any]], metric: str) -> dict[str, float]:
    return {
        knob: share for each in found if each["metric"] == metric for knob, share in each["shares"]
    }


@pytest.mark.parametrize("metric", AIMS)
def test_the_knob_that_makes_a_figure_matters_most_whatever_its_direction(metric: str) -> None:
    records = [trial(n, fid=1.0 + n, recall=n / 40) for n in range(40)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = shares(importances_of(records, AIMS), metric)
    assert max(found, key=lambda knob: found[knob]) == "deep"
    assert found["deep"] > 3 * found["idle"]
    assert sum(found.values()) == pytest.approx(1, abs=0.01)
    assert set(found) == {"deep", "idle", "mode", "only.b"}


def test_objectives_come_first_and_usual_figures_after_them() -> None:
    names = [each["metric"] for each in importances_of([], AIMS)]
    assert names == ["fid", "recall", "size_bytes", "latency_ms", "macs", "parameters"]


def test_why_there_are_none_is_said() -> None:
    few = importances_of([trial(n, fid=1.0 + n) for n in range(FEWEST - 1)], ("fid",))
    assert few[0] == {
        "metric": "fid",
        "shares": [],
        "why": "it takes 10 complete trials, and 9 have this figure",
    }
    same = importances_of([trial(n, fid=1.0) for n in range(20)], ("fid",))
    assert same[0]["why"] == "all trials have the same value"


def test_a_verified_trial_counts_by_the_search_s_figure() -> None:
    searched = [trial(n, fid=1.0 + n) for n in range(40)]
    verified = [trial(n, fid=99.0 - n, **{SEARCHED: {"fid": 1.0 + n}}) for n in range(40)]
    assert importances_of(verified, ("fid",)) == importances_of(searched, ("fid",))


def test_a_knob_of_several_types_is_taken_as_a_choice() -> None:
    records = [
        TrialRecord(
            n,
            "complete",
            None,
            {"fid": float(n % 4)},
            knobs={"groups": (1, 2, "max", True)[n % 4]},
        )
        for n in range(40)
    ]
    assert shares(importances_of(records, ("fid",)), "fid") == {"groups": 1.0}
