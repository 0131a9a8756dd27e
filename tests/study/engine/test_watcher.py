"""What happens in a study reaches every listener, and no listener harms it."""

import logging
from pathlib import Path
from typing import Any

import pytest
from small_studies import DATA, OBJECTIVES, QUICK

from study.engine.budget import Budget
from study.engine.dispatcher import Dispatcher
from study.engine.proposer import Proposer
from study.engine.trainings import Trainings
from study.engine.watcher import Listener, Listeners
from study.results.records import TrialRecord
from study.run.storage import StudyStorage

RECIPE = QUICK.recipe(QUICK.covering[0], DATA)

EVENTS: dict[str, tuple[Any, ...]] = {
    "on_start": (3, RECIPE),
    "on_progress": (3, "train", 0.5),
    "on_rung": (3, 8_000, {"fid": 1.0}),
    "on_retry": (3, "boom"),
    "on_hold": (3, "boom"),
    "on_warning": (3, "torn"),
    "on_note": ("node large gets no trials",),
    "on_end": (TrialRecord(3, "failed", RECIPE),),
}


def test_every_event_is_tried_here() -> None:
    assert EVENTS.keys() == {name for name in vars(Listener) if name.startswith("on_")}


def hearing(heard: list[tuple[Any, ...]]) -> Listener:
    """Return a listener that notes all it is told."""
    listener = Listener()
    for name in EVENTS:
        setattr(listener, name, lambda *told, name=name: heard.append((name, *told)))
    return listener


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_reaches_all_as_it_is(event: str) -> None:
    heard: list[tuple[Any, ...]] = []
    getattr(Listeners([hearing(heard), Listener(), hearing(heard)]), event)(*EVENTS[event])
    assert heard == [(event, *EVENTS[event])] * 2


def test_one_that_raises_is_warned_about_once_and_hears_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Listener):
        asked = 0

        def on_warning(self, number: int, text: str) -> None:
            self.asked += 1
            raise RuntimeError("no server")

    heard: list[tuple[Any, ...]] = []
    broken = Broken()
    listeners = Listeners([broken, hearing(heard)])
    with caplog.at_level(logging.WARNING):
        for number in (1, 2, 3):
            listeners.on_warning(number, "torn")
    assert broken.asked == 1
    assert [told[1] for told in heard] == [1, 2, 3]
    assert caplog.messages == ["Broken is told no more of the study: RuntimeError: no server"]


def test_an_interrupt_is_not_kept_from_the_study() -> None:
    class Interrupted(Listener):
        def on_warning(self, number: int, text: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Listeners([Interrupted()]).on_warning(1, "torn")


def test_the_dispatcher_tells_of_rungs(tmp_path: Path) -> None:
    storage = StudyStorage(tmp_path / "study.journal", OBJECTIVES)
    heard: list[tuple[Any, ...]] = []
    proposer = Proposer(QUICK, DATA, storage, seed=0)
    source = Dispatcher(proposer, Trainings((), OBJECTIVES), Budget(4), hearing(heard))
    assignment = source.next()
    assert assignment is not None
    scores = {"fid": 9.0, "size_bytes": 5, "trained_images": 8_000}
    source.judge(assignment.number, 16_000, scores)
    assert heard[1:] == [("on_rung", assignment.number, 16_000, scores)]
