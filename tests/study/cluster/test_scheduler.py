"""A trial is stopped where the dispatcher says so, at a rung or on its way to the next."""

from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.utils.object_cache import _ObjectCache

from study.cluster.crew import Crew
from study.cluster.place import Place
from study.cluster.scheduler import ParetoScheduler
from study.cluster.standby import STANDBY, Ready

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
    scheduler = ParetoScheduler(dispatcher, Crew(lambda: 1))
    trial = SimpleNamespace(config={"number": 7}, trial_id="a")
    assert scheduler.on_trial_result(None, trial, result) == decision
    assert asked == judged


def test_a_standby_ends_once_a_trial_takes_it_over() -> None:
    crew, dispatcher = Crew(lambda: 1), SimpleNamespace()
    scheduler: Any = ParetoScheduler(dispatcher, crew)  # type: ignore[arg-type]
    trial = SimpleNamespace(config={STANDBY: True}, trial_id="s")
    crew.begin("s")
    ready = Ready(Place("a", "alpha", 1), None)
    crew.note("s", ready)
    assert scheduler.on_trial_result(None, trial, ready.to_result()) == "CONTINUE"
    crew.release()
    assert scheduler.on_trial_result(None, trial, ready.to_result()) == "STOP"


def test_trials_take_over_free_processes_in_their_order_and_standbys_do_not() -> None:
    scheduler: Any = ParetoScheduler(SimpleNamespace(), Crew(lambda: 1))  # type: ignore[arg-type]
    cache = _ObjectCache()  # Tune's own
    controller = SimpleNamespace(_actor_cache=cache)
    trials = [
        SimpleNamespace(config=config, status="PENDING", placement_group_factory="cpu")
        for config in ({STANDBY: True}, {"number": 3}, {"number": 4})
    ]
    for trial in trials:
        scheduler.on_trial_add(controller, trial)
    assert all(cache.cache_object("cpu", process) for process in range(100)), "it keeps them all"
    assert list(cache.flush_cached_objects()) == []
    assert scheduler.choose_trial_to_run(None) is trials[1]
    trials[1].status = "RUNNING"
    assert scheduler.choose_trial_to_run(None) is trials[2]
    trials[2].status = "TERMINATED"
    assert scheduler.choose_trial_to_run(None) is None
