"""A trial is stopped where the dispatcher says so, at a rung or on its way to the next."""

from types import SimpleNamespace
from typing import Any

import pytest

from study.cluster.scheduler import ParetoScheduler

SCORES = {"fid": 9.5, "trained_images": 8_000}
RUNG = {"rung": 16_000, "rung_scores": '{"fid": 9.5, "trained_images": 8000}'}
PROGRESS = {"stage": "train", "share": 0.5, "trained_images": 640}


@pytest.mark.parametrize(
    ("result", "may_go_on", "decision", "judged"),
    [
        (RUNG, True, "CONTINUE", [(7, 16_000, SCORES)]),
        (RUNG, False, "STOP", [(7, 16_000, SCORES)]),
        (PROGRESS, True, "CONTINUE", []),
        (PROGRESS, False, "STOP", []),
        ({"scores": "{}"}, False, "CONTINUE", []),
    ],
)
def test_only_what_is_behind_stops_a_trial(
    result: dict[str, Any], may_go_on: bool, decision: str, judged: list[tuple[Any, ...]]
) -> None:
    asked: list[tuple[Any, ...]] = []

    def judge(*rung: Any) -> bool:
        asked.append(rung)
        return may_go_on

    dispatcher: Any = SimpleNamespace(judge=judge, is_stopped=lambda number: not may_go_on)
    trial = SimpleNamespace(config={"number": 7})
    assert ParetoScheduler(dispatcher).on_trial_result(None, trial, result) == decision
    assert asked == judged
