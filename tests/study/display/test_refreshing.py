"""The report of a running study: written seldom, apart, and never to the study's harm."""

import threading
from pathlib import Path

import pytest
from report_runs import DATA, data_of, record
from small_run import run_of

from study.display import refreshing
from study.display.refreshing import ReportRefresher
from study.results.records import TrialRecord


class Clock:
    """A clock that a test sets."""

    seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The refresher's clock."""
    clock = Clock()
    monkeypatch.setattr(refreshing, "time", clock)
    return clock


def settle(refresher: ReportRefresher) -> None:
    """Wait until nothing is being written."""
    refresher.__exit__(None, None, None)


def test_the_report_follows_the_trials_but_not_more_often_than_allowed(
    tmp_path: Path, clock: Clock
) -> None:
    records: list[TrialRecord] = []
    refresher = ReportRefresher(run_of(tmp_path, data=vars(DATA)), lambda: list(records))
    with refresher:
        settle(refresher)
        assert data_of(tmp_path / "report.html")["trials"] == []
        for number in range(3):
            records.append(record(number))
            refresher.on_end(records[-1])
            settle(refresher)
            assert data_of(tmp_path / "report.html")["trials"] == [], "it is too early"
        clock.seconds += refreshing.EVERY_SECONDS
        refresher.on_progress(9, "train", 0.5)
        settle(refresher)
        data = data_of(tmp_path / "report.html")
        assert len(data["trials"]) == 3
        assert data["run"]["live"]


def test_what_did_not_change_is_not_written_again(tmp_path: Path, clock: Clock) -> None:
    refresher = ReportRefresher(run_of(tmp_path, data=vars(DATA)), lambda: [])
    with refresher:
        settle(refresher)
        (tmp_path / "report.html").unlink()
        clock.seconds += 1_000
        refresher.on_progress(0, "train", 0.5)
    assert not (tmp_path / "report.html").exists()


def test_what_takes_long_to_write_is_written_the_more_seldom(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def write(*_: object, **__: object) -> None:
        written.append(clock.seconds)
        clock.seconds += 4.0

    monkeypatch.setattr(refreshing, "write_report", write)
    refresher = ReportRefresher(run_of(tmp_path, data=vars(DATA)), lambda: [])
    with refresher:
        for _ in range(1_000):
            settle(refresher)
            clock.seconds += 1.0
            refresher.on_rung(0, 16_000, {})
    assert 4 * len(written) <= refreshing.SHARE * (clock.seconds - written[0]) + 4


def test_it_begins_with_the_trials_that_there_are_and_reads_none(
    tmp_path: Path, clock: Clock
) -> None:
    def read() -> list[TrialRecord]:
        raise OSError("the database is gone")

    with ReportRefresher(run_of(tmp_path, [record(0)], data=vars(DATA)), read):
        pass
    assert len(data_of(tmp_path / "report.html")["trials"]) == 1


def test_a_fault_is_said_once_and_the_next_report_is_tried(
    tmp_path: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tried = []

    def write(*_: object, **__: object) -> None:
        tried.append(threading.current_thread())
        raise OSError("no space left")

    monkeypatch.setattr(refreshing, "write_report", write)
    refresher = ReportRefresher(run_of(tmp_path, data=vars(DATA)), lambda: [])
    with refresher:
        for number in range(3):
            settle(refresher)
            clock.seconds += 1_000
            refresher.on_end(record(number))
    assert len(tried) == 4
    assert threading.current_thread() not in tried
    (line,) = caplog.messages
    assert line == (
        "the report cannot be refreshed, and the study goes on: OSError: no space left"
    )
