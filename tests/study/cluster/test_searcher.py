"""What Tune tells the searcher reaches the dispatcher."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from diffusion.recipe import Recipe
from study.cluster.searcher import PROCESS_DIED, StudySearcher
from study.engine.running import Assignment


@dataclass
class Dispatcher:
    """Hands out trial 7, and notes all it is told."""

    recipe: Recipe
    ended: bool = False
    halted: str | None = None
    stopped: bool = False
    told: list[tuple[Any, ...]] = field(default_factory=list)

    def next(self) -> Any:
        return None if self.told else Assignment(7, self.recipe, 0.0, (({}, self.recipe),))

    def is_stopped(self, number: int) -> bool:
        return self.stopped and number == 7

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.told.append((name, *arguments))


@pytest.fixture
def dispatcher(digit_recipe: Recipe) -> Dispatcher:
    return Dispatcher(digit_recipe)


@pytest.fixture
def searcher(dispatcher: Dispatcher) -> StudySearcher:
    """A searcher that has handed out its one trial."""
    source: Any = dispatcher
    searcher = StudySearcher(
        source, lambda: {"there", "gone"}, lambda among: {"gone"} & set(among)
    )
    config = searcher.suggest("a")
    assert config["number"] == 7
    assert Recipe.from_dict(json.loads(config["recipe"])) == dispatcher.recipe
    assert [Recipe.from_dict(r) for r in json.loads(config["to_screen"])] == [dispatcher.recipe]
    assert searcher.suggest("b") is None, "one is at work, and no more are allowed"
    return searcher


PLACE, LOST_PLACE = (
    {"place": json.dumps({"node": node, "machine": "large", "process": 12})}
    for node in ("there", "gone")
)
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
            [("break_off", 7, f"{PROCESS_DIED} (process 12 on large)")],
        ),
        ([LOST_PLACE], True, [("lose", 7, "its node was lost (process 12 on large)")]),
        ([LOST_PLACE, {"attempt": "boom"}], True, [("break_off", 7, "boom")]),
        ([LOST_PLACE, {"scores": '{"fid": 1.0}'}], False, [("end", 7, {"fid": 1.0}, None)]),
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
