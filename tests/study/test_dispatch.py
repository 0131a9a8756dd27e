"""Handing out trials: one training of a backbone at a time, every trial under its own number."""

from pathlib import Path

import pytest

from diffusion.recipe import DataConfig, Recipe
from search_spaces import load_space
from study.dispatch import Assignment, Dispatcher
from study.records import Scores
from study.sampler import Proposer
from study.storage import StudyStorage

DATA = DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef")
SCORES: Scores = {"fid": 1.0, "size_bytes": 2}
BACKBONES = 6  # that the quick space's covering design begins with


class Log:
    """A watcher that keeps what it is told."""

    def __init__(self) -> None:
        self.ends: list[tuple[int, Scores | None, str | None]] = []

    def on_start(self, number: int, recipe: Recipe) -> None: ...

    def on_progress(self, number: int, stage: str, share: float) -> None: ...

    def on_end(self, number: int, scores: Scores | None, reason: str | None) -> None:
        self.ends.append((number, scores, reason))


def dispatcher(
    folder: Path, trials: int = 24, deadline: float | None = None, log: Log | None = None
) -> Dispatcher:
    storage = StudyStorage(folder / "study.journal", ("fid", "size_bytes"))
    return Dispatcher(
        Proposer(load_space("quick"), DATA, storage, seed=0), trials, deadline, log or Log()
    )


def take(source: Dispatcher, count: int) -> list[Assignment]:
    taken = [source.next() for _ in range(count)]
    assert all(assignment is not None for assignment in taken)
    return [assignment for assignment in taken if assignment is not None]


def states(folder: Path) -> dict[int, str]:
    storage = StudyStorage(folder / "study.journal", ("fid", "size_bytes"))
    return {r.number: r.state for r in storage.records() if r.state != "waiting"}


def test_a_backbone_in_training_is_not_handed_out_again(tmp_path: Path) -> None:
    source = dispatcher(tmp_path)
    first = take(source, BACKBONES)
    assert len({a.recipe.backbone_key for a in first}) == BACKBONES
    assert source.next() is None, "every other covering row needs one of these backbones"
    assert not source.ended
    done = first[2]
    source.end(done.number, SCORES, None)
    for assignment in take(source, 2):
        assert assignment.recipe.backbone_key == done.recipe.backbone_key


def test_a_failed_training_lets_the_next_one_try(tmp_path: Path) -> None:
    source = dispatcher(tmp_path)
    failed = take(source, BACKBONES)[0]
    source.end(failed.number, None, "out of memory")
    (again,) = take(source, 1)
    assert again.recipe.backbone_key == failed.recipe.backbone_key
    assert source.next() is None, "and again one training of it at a time"


def test_no_more_than_the_asked_trials_are_handed_out(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, trials=3)
    taken = take(source, 3)
    assert source.next() is None
    assert not source.ended
    for assignment in taken:
        source.end(assignment.number, SCORES, None)
    assert source.next() is None
    assert source.ended


def test_a_deadline_ends_the_study(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, deadline=0.0)
    assert source.next() is None
    assert source.ended


def test_trials_left_running_are_adopted_under_their_numbers_first(tmp_path: Path) -> None:
    before = take(dispatcher(tmp_path), 4)  # and then the driver dies
    source = dispatcher(tmp_path, trials=5)
    adopted = take(source, 4)
    assert [(a.number, a.recipe) for a in adopted] == [(b.number, b.recipe) for b in before]
    (new,) = take(source, 1)
    assert new.number == 4
    assert set(states(tmp_path).values()) == {"running"}


def test_an_abandoned_trial_stays_running_in_the_journal(tmp_path: Path) -> None:
    log = Log()
    source = dispatcher(tmp_path, log=log)
    one, two = take(source, 2)
    source.abandon(one.number)
    source.end(two.number, None, "boom")
    assert states(tmp_path) == {one.number: "running", two.number: "failed"}
    assert log.ends == [(two.number, None, "boom")]


@pytest.mark.parametrize(("scores", "finished"), [(SCORES, "complete"), (None, "failed")])
def test_failed_trials_count_like_complete_ones(
    tmp_path: Path, scores: Scores | None, finished: str
) -> None:
    source = dispatcher(tmp_path, trials=1)
    (only,) = take(source, 1)
    source.end(only.number, scores, "boom")
    assert source.next() is None
    assert source.ended
    assert states(tmp_path) == {only.number: finished}
