"""Failures: which are begun again, which are recorded, and which say that it is not the trials."""

from pathlib import Path

import pytest
from small_studies import SCORES, Log, dispatcher, states, stop_one, take

from study.engine.failures import MOST_ALIKE, MOST_LOSSES, Failure, Failures


def failure(number: int, reason: str) -> Failure:
    return Failure(number, reason, 1.0)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("its worker process died", "its worker process died", True),
        ("no file /runs/7/trials/12/model.pdm", "no file /runs/7/trials/9/model.pdm", True),
        ("OutOfMemory: you tried 1200 bytes", "OutOfMemory: you tried 7 bytes", True),
        ("no backbones/3fa9c01b/40000", "no backbones/a07711ce/64000", True),
        ("KeyError: 'fid'", "KeyError: 'size'", False),
        ("RuntimeError: boom", "OSError: boom", False),
    ],
)
def test_failures_are_alike_but_for_numbers_and_keys(one: str, other: str, alike: bool) -> None:
    assert (failure(1, one).kind == failure(2, other).kind) == alike


@pytest.mark.parametrize(
    ("reasons", "recorded", "systematic"),
    [
        ("a", "", False),
        ("aa", "", False),
        ("aaa", "", True),
        ("ab", "a", False),
        ("aab", "aa", False),
        ("aabb", "aa", False),
        ("aabaa", "aab", False),
        ("aabbb", "aa", True),
    ],
)
def test_a_failure_of_another_kind_records_those_before_it(
    reasons: str, recorded: str, systematic: bool
) -> None:
    failures, others = Failures(retries=0), []
    for number, reason in enumerate(reasons):
        others += failures.hold_back(failure(number, reason))
    assert [f.reason for f in others] == list(recorded)
    assert (failures.systematic() is not None) == systematic
    assert len(failures) == len(reasons) - len(recorded)
    assert [f.number for f in [*others, *failures.release()]] == list(range(len(reasons)))
    assert len(failures) == 0


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_each_trial_has_its_own_attempts(retries: int) -> None:
    failures = Failures(retries)
    for number in range(2):
        attempts = [failures.may_retry(number) for _ in range(retries + 2)]
        assert attempts == [True] * retries + [False] * 2


def test_trials_that_fail_alike_in_a_row_halt_the_study_and_are_begun_again(
    tmp_path: Path,
) -> None:
    log = Log()
    source = dispatcher(tmp_path, log=log)
    for number in range(MOST_ALIKE):
        (one,) = take(source, 1)
        assert (one.number, source.halted) == (number, None)
        source.break_off(number, f"OSError: no data for trial {number}")
    assert source.halted == "3 trials in a row failed alike: OSError: no data for trial 2"
    assert source.next() is None
    assert not source.ended
    assert log.ends == []
    assert states(tmp_path) == dict.fromkeys(range(MOST_ALIKE), "running")
    source = dispatcher(tmp_path)
    for number in range(MOST_ALIKE):
        (one,) = take(source, 1)
        assert one.number == number
        source.end(number, SCORES, None)


def test_a_halt_by_failures_lets_running_trials_end(tmp_path: Path) -> None:
    source = dispatcher(tmp_path)
    good, late, *broken = take(source, 2 + MOST_ALIKE)
    for one in broken:
        source.break_off(one.number, "boom")
    source.end(good.number, SCORES, None)
    source.break_off(late.number, "another boom")
    assert "3 trials" in (source.halted or "")
    expected = {one.number: "running" for one in (late, *broken)}
    assert states(tmp_path).items() >= {good.number: "complete", **expected}.items()
    assert "failed" not in states(tmp_path).values()


@pytest.mark.parametrize("end", ["complete", "final", "stopped", "another"])
def test_a_trial_that_ends_otherwise_records_the_failures_before_it(
    tmp_path: Path, end: str
) -> None:
    log = Log()
    source = dispatcher(tmp_path, log=log)
    behind, others = stop_one(source)
    one, two, three = take(source, 3)
    for broken in (one, two):
        source.break_off(broken.number, "boom")
    assert log.ends == []
    if end == "another":
        source.break_off(three.number, "bang")
    else:
        ended = behind if end == "stopped" else three
        source.end(ended.number, SCORES if end == "complete" else None, "diverged")
    recorded = [(one.number, "failed", "boom"), (two.number, "failed", "boom")]
    assert log.ends[:2] == recorded
    assert len(log.ends) == (2 if end == "another" else 3)
    assert source.halted is None
    assert not {others[0].number, others[1].number} & {number for number, *_ in log.ends}


@pytest.mark.parametrize("failures", [1, 2])
def test_failures_are_recorded_where_nothing_else_is_to_be_run(
    tmp_path: Path, failures: int
) -> None:
    log = Log()
    source = dispatcher(tmp_path, failures, log=log)
    for one in take(source, failures):
        source.break_off(one.number, "boom")
    assert log.ends == []
    assert source.next() is None
    assert source.ended
    assert log.ends == [(number, "failed", "boom") for number in range(failures)]
    assert list(states(tmp_path).values()) == ["failed"] * failures


def test_no_more_trials_are_begun_than_asked_for_while_failures_are_held_back() -> None:
    source = dispatcher(None, 3)
    one, two = take(source, 2)
    source.break_off(one.number, "boom")
    (three,) = take(source, 1)
    assert source.next() is None
    for assignment in (two, three):
        source.end(assignment.number, SCORES, None)
    assert source.next() is None
    assert source.ended


def test_final_failures_are_never_systematic(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, 5)
    for _ in range(5):
        (one,) = take(source, 1)
        source.end(one.number, None, "TrainingDiverged: loss nan")
    assert source.halted is None
    assert list(states(tmp_path).values()) == ["failed"] * 5


def test_a_study_cut_off_begins_held_back_trials_again(tmp_path: Path) -> None:
    source = dispatcher(tmp_path)
    for one in take(source, 2):
        source.break_off(one.number, "boom")
    assert [a.number for a in take(dispatcher(tmp_path), 2)] == [0, 1]


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
    assert log.holds == [(first.number, "boom 2")]
    (other,) = take(source, 1)
    assert other.number != first.number
    source.end(other.number, SCORES, None)
    assert log.ends[0] == (first.number, "failed", "boom 2")


def test_a_worker_that_dies_while_it_is_stopped_is_not_started_again(tmp_path: Path) -> None:
    source = dispatcher(tmp_path, retries=2)
    behind, _ = stop_one(source)
    source.break_off(behind.number, "its worker process died")
    assert states(tmp_path)[behind.number] == "pruned"


def test_a_trial_whose_machine_is_lost_begins_again_however_few_retries_it_has(
    tmp_path: Path,
) -> None:
    log = Log()
    source = dispatcher(tmp_path, log=log, retries=0)
    (first,) = take(source, 1)
    for _ in range(MOST_LOSSES):
        source.lose(first.number, "spot was lost")
        assert states(tmp_path) == {first.number: "running"}
        (again,) = take(source, 1)
        assert (again.number, again.recipe) == (first.number, first.recipe)
    assert log.retries == [(first.number, "spot was lost")] * MOST_LOSSES
    source.lose(first.number, "spot was lost")
    assert log.holds == [(first.number, "spot was lost")], (
        "it may be the trial that they are lost by"
    )


def test_a_trial_that_is_stopped_while_its_machine_is_lost_is_not_started_again(
    tmp_path: Path,
) -> None:
    source = dispatcher(tmp_path)
    behind, _ = stop_one(source)
    source.lose(behind.number, "spot was lost")
    assert states(tmp_path)[behind.number] == "pruned"
