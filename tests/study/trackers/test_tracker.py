"""A tracker that fails, hangs or is too slow is said once, and the study goes on."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from logged_trials import SCORES, TRACKING_ID, Said

from diffusion.recipe import Recipe
from study.results.records import TrialRecord
from study.trackers import tracker as tracker_module
from study.trackers.outcome import Knob, Outcome
from study.trackers.tracker import PACE, Tracker


class Logging(Tracker):
    """Keeps what it is to log; raises or waits where it is told to."""

    name = "logging"

    def __init__(
        self,
        run_dir: Path,
        tell: Callable[[str], None],
        fails_at: str = "",
        until: threading.Event | None = None,
    ) -> None:
        self.logged: list[tuple[object, ...]] = []
        self._fails_at, self._until = fails_at, until
        super().__init__(run_dir, TRACKING_ID, tell)

    def _note(self, *what: object) -> None:
        if self._until is not None:
            self._until.wait()
        if what[0] == self._fails_at:
            raise OSError("no disk\nat all")
        self.logged.append(what)

    def open(self) -> None:
        self._note("open")

    def begin(self, number: int, recipe_knobs: Mapping[str, Knob]) -> None:
        self._note("begin", number)

    def add(self, number: int, values: Mapping[str, float], train_images: int) -> None:
        self._note("add", number, dict(values), train_images)

    def end(self, number: int, outcome: Outcome) -> None:
        self._note("end", number, outcome.state)

    def leave(self) -> None:
        self._note("leave")


def log(tracker: Tracker, recipe: Recipe) -> None:
    """Tell of two trials, one of which does not end."""
    for number in (3, 4):
        tracker.on_start(number, recipe)
        tracker.on_rung(number, 32, {"fid": 1.0, "extractor": "digits", "kid": float("nan")})
    tracker.on_end(TrialRecord(3, "complete", recipe, dict(SCORES)))
    tracker.close()


def test_what_happens_is_logged_in_its_order(tmp_path: Path, digit_recipe: Recipe) -> None:
    said = Said()
    tracker = Logging(tmp_path, said)
    log(tracker, digit_recipe)
    assert tracker.logged == [
        ("open",),
        *(("begin", 3), ("add", 3, {"training/fid": 1.0}, 32)),
        *(("begin", 4), ("add", 4, {"training/fid": 1.0}, 32)),
        ("end", 3, "complete"),
        ("leave",),
    ]
    assert said.lines == []


@pytest.mark.parametrize("fails_at", ["open", "begin", "add", "end", "leave"])
def test_one_that_raises_is_said_once_and_logs_no_more(
    fails_at: str, tmp_path: Path, digit_recipe: Recipe
) -> None:
    said = Said()
    tracker = Logging(tmp_path, said, fails_at)
    log(tracker, digit_recipe)
    assert said.lines == ["logging logs no more of the study: OSError: no disk at all"]
    assert fails_at not in [what for what, *_ in tracker.logged]


@pytest.fixture
def event() -> Iterator[threading.Event]:
    """An event that is set in the end, so that no thread waits for ever."""
    event = threading.Event()
    yield event
    event.set()


def test_one_that_hangs_is_not_waited_for(
    tmp_path: Path,
    digit_recipe: Recipe,
    event: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracker_module, "CLOSE_SECONDS", 0.05)
    said = Said()
    tracker = Logging(tmp_path, said, until=event)
    log(tracker, digit_recipe)
    assert tracker.logged == []
    assert said.lines == ["logging lacks 7 entries: it was too slow for them"]


def test_a_line_that_is_full_leaves_out_entries_and_those_of_trials_without_a_begin(
    tmp_path: Path,
    digit_recipe: Recipe,
    event: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracker_module, "MOST_WAITING", 2)
    said = Said()
    tracker = Logging(tmp_path, said, until=event)
    for number in range(5):
        tracker.on_start(number, digit_recipe)
    event.set()
    while tracker._entries.qsize():  # what is in line is logged before more is told
        time.sleep(0.01)
    tracker.on_rung(4, 32, {"fid": 1.0})
    tracker.close()
    assert tracker.logged == [("open",), ("begin", 0), ("begin", 1), ("leave",)]
    assert said.lines == ["logging lacks 3 entries: it was too slow for them"]


def test_the_pace_of_a_training_is_logged_now_and_then(
    tmp_path: Path, digit_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([0.0, 2.0, 6.0, *[7.0] * 9])
    monkeypatch.setattr(tracker_module.time, "monotonic", lambda: next(seconds))
    tracker = Logging(tmp_path, Said())
    tracker.on_start(0, digit_recipe)  # of 64 training images
    for share in (0.01, 0.25, 0.26, 0.75):
        tracker.on_progress(0, "train", share)
    tracker.on_progress(0, "generate", 0.9)
    monkeypatch.undo()
    tracker.close()
    paces = [(images, values[PACE]) for kind, *_, values, images in tracker.logged[2:-1]]
    assert paces == [(16, 8.0), (48, 8.0)]
