"""Handing out trials: one training of a backbone at a time, every trial under its own number."""

import errno
from pathlib import Path

import pytest

from diffusion.recipe import DataConfig, Recipe
from search_spaces import load_space
from study.engine.budget import Budget
from study.engine.dispatcher import Assignment, Dispatcher
from study.engine.early_stopping import Rungs
from study.engine.proposer import Proposer
from study.engine.watcher import Listener
from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.run.storage import StudyStorage

DATA = DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef")
OBJECTIVES = ("fid", "size_bytes")
SCORES: Scores = {"fid": 1.0, "size_bytes": 2}
BACKBONES = 6  # that the quick space's covering design begins with


class Log(Listener):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.ends: list[tuple[int, str, str | None]] = []
        self.retries: list[tuple[int, str]] = []
        self.trials = 0

    def on_retry(self, number: int, reason: str) -> None:
        self.retries.append((number, reason))

    def on_extend(self, trials: int) -> None:
        self.trials = trials

    def on_end(self, record: TrialRecord) -> None:
        self.ends.append((record.number, record.state, record.reason))


def dispatcher(
    folder: Path,
    trials: int = 24,
    deadline: float | None = None,
    log: Log | None = None,
    *,
    train_images: float | None = None,
    reuse: bool = True,
    sweep_front: bool = False,
    retries: int = 0,
) -> Dispatcher:
    storage = StudyStorage(folder / "study.journal", OBJECTIVES)
    rungs = Rungs(OBJECTIVES, storage.records())
    proposer = Proposer(
        load_space("quick"), DATA, storage, seed=0, reuse=reuse, refusal=rungs.refusal
    )
    budget = Budget(trials, deadline, train_images)
    return Dispatcher(
        proposer,
        rungs,
        budget,
        log or Log(),
        reuse=reuse,
        sweep_front=sweep_front,
        retries=retries,
    )


def take(source: Dispatcher, count: int) -> list[Assignment]:
    taken = [source.next() for _ in range(count)]
    assert all(assignment is not None for assignment in taken)
    return [assignment for assignment in taken if assignment is not None]


def states(folder: Path) -> dict[int, str]:
    storage = StudyStorage(folder / "study.journal", OBJECTIVES)
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
    source = dispatcher(tmp_path, trials=2)
    taken = take(source, 2)
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
    before = take(dispatcher(tmp_path), 2)  # and then the driver dies
    source = dispatcher(tmp_path)
    adopted = take(source, 2)
    assert [(a.number, a.recipe) for a in adopted] == [(b.number, b.recipe) for b in before]
    (new,) = take(source, 1)
    assert new.number not in {a.number for a in adopted}
    assert set(states(tmp_path).values()) == {"running"}


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


def rung(fid: float, size_bytes: float) -> Scores:
    return {"fid": fid, "size_bytes": size_bytes, "trained_images": 16_000}


def stop_one(source: Dispatcher) -> tuple[Assignment, list[Assignment]]:
    """Let three trainings reach a rung, of which the last is behind; return it and the others."""
    *others, behind = take(source, 3)
    for place, assignment in enumerate(others):
        assert source.judge(assignment.number, 16_000, rung(10 + place, 100 - place))
    assert not source.judge(behind.number, 16_000, rung(50, 500))
    return behind, others


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
    reason = "stopped early after 16,000 training images, behind most of 3 trainings"
    assert record.reason == reason
    assert log.ends == [(behind.number, "pruned", reason)]


def test_a_worker_that_dies_while_it_is_stopped_is_not_started_again(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, retries=2)
    behind, _ = stop_one(source)
    source.break_off(behind.number, "its worker process died")
    assert states(tmp_path)[behind.number] == "pruned"


@pytest.mark.parametrize("restarted", [False, True])
def test_a_stopped_training_is_not_gone_on_with(tmp_path: Path, restarted: bool) -> None:
    source = dispatcher(tmp_path)
    behind, others = stop_one(source)
    source.end(behind.number, None, None)
    for other in others:
        source.end(other.number, SCORES, None)
    if restarted:
        source = dispatcher(tmp_path)
    for _ in range(10):
        (next_one,) = take(source, 1)
        assert next_one.recipe.backbone_key != behind.recipe.backbone_key
        source.end(next_one.number, SCORES, None)


def test_a_trial_that_waited_for_a_stopped_training_is_withdrawn(tmp_path: Path) -> None:
    source = dispatcher(tmp_path)
    taken = take(source, BACKBONES)
    assert source.next() is None  # all that is drawn now waits for one of them
    waiting = {n for n, state in states(tmp_path).items() if state == "running"}
    waiting -= {a.number for a in taken}
    for place, assignment in enumerate(taken):
        # The first half is a front; each of the others is worse than all before it.
        size_bytes = 100 - place if place < BACKBONES // 2 else 100 + place
        going = source.judge(assignment.number, 16_000, rung(10 + place, size_bytes))
        source.end(assignment.number, SCORES if going else None, None)
    stopped = {a.recipe.backbone_key for a in taken if states(tmp_path)[a.number] == "pruned"}
    assert len(stopped) == BACKBONES // 2
    seen = set()
    while (next_one := source.next()) is not None:
        seen.add(next_one.number)
        assert next_one.recipe.backbone_key not in stopped
        source.end(next_one.number, SCORES, None)
    withdrawn = waiting - seen
    assert withdrawn
    assert {states(tmp_path)[number] for number in withdrawn} == {"infeasible"}
    finished = [s for s in states(tmp_path).values() if s in ("complete", "pruned", "failed")]
    assert len(finished) == 24, "the withdrawn do not count"


def test_the_images_trained_on_end_the_study(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, train_images=90_000)
    first, second = take(source, 2)
    planned = [a.recipe.training.train_images for a in (first, second)]
    assert sum(planned) >= 90_000
    assert source.next() is None, "what runs will use the budget up"
    assert not source.ended
    source.judge(first.number, 16_000, rung(20, 20))
    assert not source.judge(second.number, 16_000, rung(30, 30))
    source.end(second.number, None, None)
    source.end(first.number, {**SCORES, "trained_images": planned[0]}, None)
    (third,) = take(source, 1)  # 16,000 of the second were enough
    source.end(third.number, {**SCORES, "trained_images": 90_000 - planned[0] - 16_000}, None)
    assert source.next() is None
    assert source.ended
    assert dispatcher(tmp_path, train_images=90_000).next() is None, "a restart counts them too"


def test_without_reuse_no_trial_waits_for_another(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, reuse=False)
    taken = take(source, BACKBONES + 2)
    assert len({a.recipe.backbone_key for a in taken}) < len(taken)


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


def test_a_trial_that_breaks_is_handed_out_again_before_it_fails(tmp_path: Path) -> None:
    log = Log()
    source = dispatcher(tmp_path, log=log, retries=2)
    (first,) = take(source, 1)
    for attempt in range(2):
        source.break_off(first.number, f"boom {attempt}")
        assert states(tmp_path) == {first.number: "running"}
        (again,) = take(source, 1)
        assert (again.number, again.recipe) == (first.number, first.recipe)
    source.break_off(first.number, "boom 2")
    assert log.retries == [(first.number, "boom 0"), (first.number, "boom 1")]
    assert log.ends == [(first.number, "failed", "boom 2")]
    (other,) = take(source, 1)
    assert other.number != first.number


@pytest.mark.parametrize("cut_off_after", [0, 5])
def test_a_sweep_compresses_the_fronts_backbones_once_the_trials_are_finished(
    tmp_path: Path, cut_off_after: int
) -> None:
    log = Log()
    source = dispatcher(tmp_path, log=log, sweep_front=True)
    (best,) = take(source, 1)
    source.end(best.number, SCORES, None)
    for _ in range(22):
        (one,) = take(source, 1)
        source.end(one.number, {"fid": 9.0, "size_bytes": 9}, None)
    (last,) = take(source, 1)
    assert source.next() is None, "the front is not known yet"
    source.end(last.number, {"fid": 9.0, "size_bytes": 9}, None)
    swept: list[Recipe] = []
    for _ in range(cut_off_after):
        (one,) = take(source, 1)
        swept.append(one.recipe)
        source.end(one.number, {"fid": 9.0, "size_bytes": 9}, None)
    if cut_off_after:
        source = dispatcher(tmp_path, log=log, sweep_front=True)
    while (another := source.next()) is not None:
        swept.append(another.recipe)
        source.end(another.number, {"fid": 9.0, "size_bytes": 9}, None)
    assert source.ended
    assert {recipe.backbone_key for recipe in swept} == {best.recipe.backbone_key}
    compressions = {(recipe.ema.track, recipe.compression) for recipe in swept}
    assert len(compressions) == len(swept) == log.trials - 24
    assert len(swept) > len(load_space("quick").sweep) // 2


def test_a_kill_in_a_sweep_loses_none_of_it(tmp_path: Path) -> None:
    asked = backbones = 2  # all scores are alike, so that both are on the front
    source = dispatcher(tmp_path, asked, sweep_front=True)
    for assignment in take(source, asked):
        source.end(assignment.number, SCORES, None)
    cut_off = take(source, 2)
    log = Log()
    source = dispatcher(tmp_path, asked, log=log, sweep_front=True)
    assert [a.number for a in take(source, 2)] == [a.number for a in cut_off]
    for assignment in cut_off:
        source.end(assignment.number, SCORES, None)
    while (another := source.next()) is not None:
        source.end(another.number, SCORES, None)
    assert source.ended
    in_line = set(StudyStorage(tmp_path / "study.journal", OBJECTIVES).sweep_in_line())
    assert in_line == set()
    assert list(states(tmp_path).values()) == ["complete"] * log.trials
    assert log.trials > asked + (backbones - 1) * len(load_space("quick").sweep)


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
        source._stops[first.number] = "behind"
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
