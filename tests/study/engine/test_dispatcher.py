"""Handing out trials: when a study ends or halts, and what is recorded of each trial's end."""

import errno
from pathlib import Path

import pytest
from small_studies import (
    OBJECTIVES,
    SCORES,
    Log,
    dispatcher,
    rung,
    states,
    stop_one,
    take,
)

from study.engine.proposer import Proposer
from study.evaluation.context import TRAIN
from study.results.objectives import Scores
from study.run.storage import StudyStorage


def test_no_more_than_the_asked_trials_are_handed_out(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, trials=2)
    taken = take(source, 2)
    assert source.next() is None
    assert not source.ended
    for assignment in taken:
        source.end(assignment.number, SCORES, None)
    assert source.next() is None
    assert source.ended


def test_a_study_is_done_once_all_it_may_begin_has_ended(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, trials=1)
    (only,) = take(source, 1)
    source.end_if_done()
    assert not source.ended, "it runs"
    source.end(only.number, SCORES, None)
    source.end_if_done()
    assert source.ended
    resumed = dispatcher(tmp_path, trials=1)
    resumed.end_if_done()
    assert resumed.ended
    more = dispatcher(tmp_path, trials=2)
    more.end_if_done()
    assert not more.ended


def test_a_deadline_ends_the_study(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, deadline=0.0)
    assert source.next() is None
    assert source.ended


def test_an_abandoned_trial_stays_running_in_the_journal(tmp_path: Path) -> None:
    log = Log()
    source = dispatcher(tmp_path, log=log)
    one, two = take(source, 2)
    source.abandon(one.number)
    source.end(two.number, None, "boom")
    assert states(tmp_path) == {one.number: "running", two.number: "failed"}
    assert log.ends == [(two.number, "failed", "boom")]


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


def test_a_training_that_falls_behind_ends_its_trial_with_what_it_scored(tmp_path: Path) -> None:
    log = Log()
    source = dispatcher(tmp_path, log=log)
    behind, others = stop_one(source)
    assert source.is_stopped(behind.number)
    assert not any(source.is_stopped(other.number) for other in others)
    source.end(behind.number, None, None)
    record = StudyStorage(tmp_path / "study.journal", OBJECTIVES).records()[behind.number]
    assert record.state == "pruned"
    assert record.finished
    assert record.scores is None, "what it scored on its way is no result"
    assert record.rungs == {16_000: rung(50, 500)}
    reason = "stopped early after 16,000 training images, far behind another training"
    assert record.reason == reason
    assert log.ends == [(behind.number, "pruned", reason)]


def test_a_training_ends_once_others_overtook_it_where_it_was_judged(tmp_path: Path) -> None:
    source = dispatcher(tmp_path)
    first, second, third = take(source, 3)
    for other in (first, second):
        assert source.judge(other.number, 16_000, rung(50, 500))
        source.progress(other.number, TRAIN, 0.5, 20_000)
    source.progress(second.number, "generate", 0.1, 20_000)
    assert source.judge(third.number, 16_000, rung(5, 500))
    assert source.is_stopped(first.number)
    assert not source.is_stopped(second.number), "its training is there, all that it cost is spent"
    assert not source.is_stopped(third.number)
    source.progress(first.number, TRAIN, 0.6, 24_000)
    source.end(first.number, None, None)
    record = StudyStorage(tmp_path / "study.journal", OBJECTIVES).records()[first.number]
    assert (record.state, record.trained_images) == ("pruned", 24_000)
    since = "overtaken since 16,000 training images"
    assert record.reason == f"stopped early, {since}: far behind another training"


def test_a_training_that_was_not_judged_yet_is_not_overtaken(tmp_path: Path) -> None:
    source = dispatcher(tmp_path)
    first, second = take(source, 2)
    source.progress(first.number, TRAIN, 0.1, 4_000)
    assert source.judge(second.number, 16_000, rung(5, 500))
    assert not source.is_stopped(first.number)


def test_the_images_trained_on_end_the_study(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, train_images=110_000)
    first, second = take(source, 2)
    planned = [a.recipe.training.train_images for a in (first, second)]
    assert sum(planned) >= 110_000
    assert source.next() is None, "what runs will use the budget up"
    assert not source.ended
    source.judge(first.number, 16_000, rung(20, 20))
    assert not source.judge(second.number, 16_000, rung(30, 30))
    source.end(second.number, None, None)
    source.end(first.number, {**SCORES, "trained_images": planned[0]}, None)
    (third,) = take(source, 1)  # 16,000 of the second were enough
    source.end(third.number, {**SCORES, "trained_images": 110_000 - planned[0] - 16_000}, None)
    assert source.next() is None
    assert source.ended
    assert dispatcher(tmp_path, train_images=110_000).next() is None, "a restart counts them too"


def test_a_full_disk_halts_the_study_and_keeps_its_trials(tmp_path: Path) -> None:
    source = dispatcher(tmp_path)
    one, two = take(source, 2)
    source.abandon(one.number, "disk full")
    assert source.next() is None
    assert source.halted == "disk full"
    source.abandon(two.number)
    assert source.next() is None
    assert not source.ended
    assert set(states(tmp_path).values()) == {"running"}


@pytest.mark.parametrize("method", ["complete", "fail", "prune", "keep_rung", "ask"])
def test_a_study_that_cannot_be_written_comes_to_a_halt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    log = Log()
    source = dispatcher(tmp_path, log=log)
    (first,) = take(source, 1)
    if method == "prune":
        source._running.stops[first.number] = "behind"
    monkeypatch.setattr(StudyStorage, method, full)
    if method == "keep_rung":
        assert not source.judge(first.number, 16_000, SCORES)
        assert not source.is_stopped(first.number)
        source.abandon(first.number)
    elif method != "ask":
        source.end(first.number, SCORES if method == "complete" else None, "boom")
    assert source.next() is None
    assert source.halted == "[Errno 28] No space left on device"
    assert not source.ended
    assert log.ends == []
    monkeypatch.undo()
    assert states(tmp_path) == {first.number: "running"}


def test_a_study_that_cannot_be_read_any_more_hands_out_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise OSError("database cannot be used")

    source = dispatcher(tmp_path)
    monkeypatch.setattr(Proposer, "to_screen", gone)
    assert source.next() is None
    assert (source.halted, source.ended) == ("database cannot be used", False)
    monkeypatch.undo()
    assert list(states(tmp_path).values()) == ["running"], "a resume goes on with it"


def test_a_failed_trial_keeps_how_many_images_it_said_it_was_trained_on(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, train_images=100_000)
    first, second = take(source, 2)
    source.progress(first.number, "train", 0.1, 4_000)
    source.progress(first.number, "train", 0.2, trained_images=60_000)
    source.progress(first.number, "generate", 0.5)
    source.progress(second.number, "train", 0.5, 1_000)
    source.end(first.number, None, "diverged")
    source.break_off(second.number, "boom")
    (third,) = take(source, 1)
    source.end(third.number, SCORES, None)
    records = StudyStorage(tmp_path / "study.journal", OBJECTIVES).records()
    assert [records[a.number].trained_images for a in (first, second, third)] == [60_000, 1_000, 0]
    (fourth,) = take(source, 1)
    source.end(fourth.number, {**SCORES, "trained_images": 39_000}, None)
    assert source.next() is None
    assert source.ended, "what failed trials were trained on is spent"


def test_after_a_write_that_failed_nothing_more_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = dispatcher(tmp_path)
    first, second = take(source, 2)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(StudyStorage, "complete", full)
        source.end(first.number, SCORES, None)
    assert source.halted is not None
    before = (tmp_path / "study.journal").read_bytes()
    source.end(second.number, SCORES, None)
    assert (tmp_path / "study.journal").read_bytes() == before, "a line may be torn there"
    assert states(tmp_path)[second.number] == "running"
