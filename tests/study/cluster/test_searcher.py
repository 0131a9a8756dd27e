"""What Tune tells the searcher reaches the dispatcher, and workers are there before trials."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from ray.tune.search import Searcher

from diffusion.recipe import Recipe
from study.cluster.crew import Crew
from study.cluster.parcel import unpack
from study.cluster.place import Place
from study.cluster.searcher import (
    HAND_OVER_SECONDS,
    PROCESS_DIED,
    SAY_AFTER_SECONDS,
    StudySearcher,
)
from study.cluster.standby import STANDBY, Ready
from study.engine.running import Assignment


@dataclass
class Dispatcher:
    """Hands out trial 7 once, and notes all it is told."""

    recipe: Recipe
    ended: bool = False
    halted: str | None = None
    stopped: bool = False
    asked: int = 0
    looking: bool = False
    done: bool = False
    told: list[tuple[Any, ...]] = field(default_factory=list)

    def next(self) -> Any:
        self.asked += 1
        return Assignment(7, self.recipe, 0.0, (({}, self.recipe),)) if self.asked == 1 else None

    def halt(self, reason: str) -> None:
        self.halted = reason

    def end_if_done(self) -> None:
        self.ended = self.ended or self.done

    def is_stopped(self, number: int) -> bool:
        return self.stopped and number == 7

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.told.append((name, *arguments))


@pytest.fixture
def dispatcher(digit_recipe: Recipe) -> Dispatcher:
    return Dispatcher(digit_recipe)


class Clock:
    """Tells the time that is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def idle(dispatcher: Dispatcher, clock: Clock) -> StudySearcher:
    """A searcher of a cluster with room for one worker, which nobody asked for anything."""
    source: Any = dispatcher
    return StudySearcher(
        source,
        Crew(lambda: 1, clock=clock),
        lambda: {"there", "gone"},
        lambda among: {"gone"} & set(among),
        lambda missing: f"{missing} wait",
        clock,
    )


def ready(unfit: str | None = None) -> dict[str, Any]:
    return Ready(Place("there", "large", 12), unfit).to_result()


@pytest.fixture
def searcher(idle: StudySearcher, dispatcher: Dispatcher) -> StudySearcher:
    """A searcher that has handed out its one trial."""
    searcher = idle
    assert searcher.suggest("s") == {STANDBY: True}
    assert searcher.suggest("a") is None, "no worker is there yet"
    searcher.on_trial_result("s", ready())
    assert searcher.suggest("a") is None, "its standby is still there"
    searcher.on_trial_complete("s", ready())
    config = searcher.suggest("a")
    assert config["number"] == 7
    assert Recipe.from_dict(json.loads(config["recipe"])) == dispatcher.recipe
    assert [Recipe.from_dict(r) for r in unpack(config["to_screen"])] == [dispatcher.recipe]
    assert searcher.suggest("b") is None, "one is at work, and no more are allowed"
    return searcher


PLACE, LOST_PLACE = (
    {"place": json.dumps({"node": node, "machine": "large", "process": 12})}
    for node in ("there", "gone")
)
LOCATED = ("locate", 7, "process 12 on large")
PROGRESS = {"stage": "train", "share": 0.5, "trained_images": 640}


@pytest.mark.parametrize(
    ("reports", "error", "told"),
    [
        ([PROGRESS], False, [("progress", 7, "train", 0.5, 640), ("abandon", 7, None)]),
        ([{"warning": "torn"}], False, [("warn", 7, "torn"), ("abandon", 7, None)]),
        (
            [{"screened": '[{"drift": 1}]'}],
            False,
            [("screened", 7, [{"drift": 1}]), ("abandon", 7, None)],
        ),
        ([{"scores": '{"fid": 1.0}'}], False, [("end", 7, {"fid": 1.0}, None)]),
        (
            [{"reason": "diverged", **PROGRESS}],
            False,
            [("progress", 7, "train", 0.5, 640), ("end", 7, None, "diverged")],
        ),
        (
            [{"attempt": "boom", **PROGRESS}],
            True,
            [("progress", 7, "train", 0.5, 640), ("break_off", 7, "boom")],
        ),
        (
            [PROGRESS],
            True,
            [("progress", 7, "train", 0.5, 640), ("lose", 7, "its node was lost")],
        ),
        (
            [PLACE],
            True,
            [LOCATED, ("break_off", 7, f"{PROCESS_DIED} (process 12 on large)")],
        ),
        ([LOST_PLACE], True, [LOCATED, ("lose", 7, "its node was lost (process 12 on large)")]),
        ([LOST_PLACE, {"attempt": "boom"}], True, [LOCATED, ("break_off", 7, "boom")]),
        (
            [LOST_PLACE, {"scores": '{"fid": 1.0}'}],
            False,
            [LOCATED, ("end", 7, {"fid": 1.0}, None)],
        ),
        ([{"halt": "disk full"}], False, [("abandon", 7, "disk full")]),
    ],
    ids=[
        "cut off",
        "warning",
        "screened",
        "scores",
        "reason",
        "attempt",
        "lost before it said where",
        "died somewhere",
        "node lost",
        "broke before its node was lost",
        "ended before its node was lost",
        "halt",
    ],
)
def test_how_a_trial_goes_and_ends_reaches_the_dispatcher(
    searcher: StudySearcher,
    dispatcher: Dispatcher,
    reports: list[dict[str, Any]],
    error: bool,
    told: list[tuple[Any, ...]],
) -> None:
    for report in reports:
        searcher.on_trial_result("a", report)
    searcher.on_trial_complete("a", None if error else reports[-1], error)
    assert dispatcher.told == told


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({"rung": 8_000}, [("end", 7, None, None)]),
        (PROGRESS, [("progress", 7, "train", 0.5, 640), ("end", 7, None, None)]),
        ({"scores": '{"fid": 1.0}'}, [("end", 7, {"fid": 1.0}, None)]),
        ({"halt": "disk full"}, [("abandon", 7, "disk full")]),
    ],
    ids=["at a rung", "on its way", "at its end", "where nothing can be written"],
)
def test_a_trial_that_is_stopped_ends_with_the_last_that_it_told(
    searcher: StudySearcher,
    dispatcher: Dispatcher,
    result: dict[str, Any],
    told: list[tuple[Any, ...]],
) -> None:
    dispatcher.stopped = True
    searcher.on_trial_complete("a", result)
    assert dispatcher.told == told


def test_a_worker_that_ended_a_trial_gets_the_next_or_stands_by(
    searcher: StudySearcher, dispatcher: Dispatcher
) -> None:
    searcher.on_trial_complete("a", {"scores": "{}"})
    dispatcher.asked = 0
    assert searcher.suggest("b")["number"] == 7
    searcher.on_trial_complete("b", {"scores": "{}"})
    assert searcher.suggest("c") == {STANDBY: True}, "there is no other trial for it now"
    searcher.on_trial_result("c", ready())
    asked = dispatcher.asked
    assert searcher.suggest("d") is None
    assert searcher.suggest("d") is None
    assert dispatcher.asked == asked, "nothing has changed since"


def all_at_work(dispatcher: Dispatcher, clock: Clock, names: str) -> StudySearcher:
    """Return a searcher with a worker for each of some names, all with a trial that began."""
    source: Any = dispatcher
    crew = Crew(lambda: len(names), clock=clock)
    searcher = StudySearcher(source, crew, lambda: {"there"}, lambda among: set(), str, clock)
    standbys = names.upper()
    for name in standbys:
        assert searcher.suggest(name) == {STANDBY: True}
    for name in standbys:
        searcher.on_trial_result(name, ready())
    for standby, name in zip(standbys, names, strict=True):
        dispatcher.asked = 0
        assert searcher.suggest(name) is None, "its standby is still there"
        searcher.on_trial_complete(standby, ready())
        assert searcher.suggest(name)["number"] == 7, "none has ended: none waits for another"
    for name in names:
        searcher.on_trial_result(name, PLACE)
    return searcher


def after(searcher: StudySearcher, ended: str, name: str, *, error: bool = False) -> Any:
    """Return what is handed out once a trial ended, as Tune asks: after each event."""
    searcher._dispatcher.asked = 0  # type: ignore[attr-defined]
    searcher.on_trial_complete(ended, None if error else {"scores": "{}"}, error=error)
    return searcher.suggest(name)


def test_where_many_trials_end_at_once_each_begins_before_the_next_is_proposed(
    dispatcher: Dispatcher, clock: Clock
) -> None:
    searcher = all_at_work(dispatcher, clock, "abcd")
    assert after(searcher, "a", "e")["number"] == 7
    assert after(searcher, "b", "f") is None, "the latest has not begun"
    searcher.on_trial_result("e", PLACE)
    assert searcher.suggest("f")["number"] == 7
    assert after(searcher, "c", "g") is None
    clock.now += 2 * HAND_OVER_SECONDS
    assert searcher.suggest("g")["number"] == 7, "the latest takes too long to begin"


def test_a_free_process_waits_for_nothing_where_a_standby_that_starts_could_take_it(
    dispatcher: Dispatcher, clock: Clock
) -> None:
    searcher = all_at_work(dispatcher, clock, "abcde")
    assert after(searcher, "a", "s", error=True) == {STANDBY: True}, "for the one that died"
    assert after(searcher, "b", "f")["number"] == 7
    assert after(searcher, "c", "g")["number"] == 7, "though the latest has not begun"


def test_a_worker_whose_process_died_gets_no_trial(searcher: StudySearcher) -> None:
    searcher.on_trial_complete("a", None, error=True)
    assert searcher.suggest("b") == {STANDBY: True}


@pytest.mark.parametrize("end", [{"ended": True}, {"halted": "disk full"}])
def test_at_the_end_nothing_is_handed_out(
    searcher: StudySearcher, dispatcher: Dispatcher, end: dict[str, Any]
) -> None:
    vars(dispatcher).update(end)
    assert searcher.suggest("b") == Searcher.FINISHED
    assert searcher.is_over
    assert searcher.num_running == 1, "it still runs"


def test_a_study_that_is_done_waits_for_no_worker(
    idle: StudySearcher, dispatcher: Dispatcher
) -> None:
    dispatcher.done = True
    assert idle.suggest("s") == Searcher.FINISHED
    assert dispatcher.asked == 0


def test_where_no_machine_is_fit_the_study_halts(
    idle: StudySearcher, dispatcher: Dispatcher
) -> None:
    idle.suggest("s")
    idle.on_trial_result("s", ready("RuntimeError: no driver"))
    assert dispatcher.told == [("note", "node large gets no trials: RuntimeError: no driver")]
    assert idle.suggest("a") == Searcher.FINISHED
    assert dispatcher.halted == (
        "no node that is there is fit for a trial: large: RuntimeError: no driver"
    )
    assert dispatcher.asked == 0


def test_workers_that_wait_for_resources_are_said_ever_more_rarely(
    idle: StudySearcher, dispatcher: Dispatcher, clock: Clock
) -> None:
    said = []
    for _ in range(8):
        idle.suggest("s")
        clock.now += SAY_AFTER_SECONDS
        said.append(len(dispatcher.told))
    assert said == [0, 1, 2, 2, 3, 3, 3, 3], "after 1, 2, 4 and 8 times as long"
    assert dispatcher.told == [("note", "1 wait")] * 3
    idle.on_trial_result("s", ready())
    clock.now += 100 * SAY_AFTER_SECONDS
    idle.suggest("a")
    assert len(dispatcher.told) == 3
