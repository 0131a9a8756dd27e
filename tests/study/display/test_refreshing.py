"""The report of a running study: written seldom, apart, and never to the study's harm."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from report_runs import DATA, data_of, record
from small_run import run_of

from study.display import refreshing
from study.display.refreshing import EVERY_SECONDS, SHARE, ReportRefresher, pause_seconds
from study.results.records import TrialRecord


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a report follow the one before it without a pause."""
    monkeypatch.setattr(refreshing, "pause_seconds", lambda _: 0.0)


def wait_until(happened: Callable[[], bool]) -> None:
    while not happened():
        time.sleep(0.01)


def shown(folder: Path) -> int:
    """Return how many trials a report shows; -1 where there is none."""
    path = folder / "report.html"
    return len(data_of(path)["trials"]) if path.exists() else -1


@pytest.mark.usefixtures("at_once")
def test_the_report_follows_the_trials(tmp_path: Path) -> None:
    with ReportRefresher(run_of(tmp_path, data=vars(DATA)), record) as refresher:
        wait_until(lambda: shown(tmp_path) == 0)
        for number in range(3):
            refresher.on_end(record(number))
            wait_until(lambda count=number + 1: shown(tmp_path) == count)
        assert data_of(tmp_path / "report.html")["run"]["live"]


@pytest.mark.usefixtures("at_once")
def test_refused_trials_of_which_nobody_tells_are_shown_with_the_next_one(tmp_path: Path) -> None:
    with ReportRefresher(run_of(tmp_path, [record(0)], data=vars(DATA)), record) as refresher:
        refresher.on_end(record(8))
        wait_until(lambda: shown(tmp_path) == 9)
    statuses = {t["trial"]: t["status"] for t in data_of(tmp_path / "report.html")["trials"]}
    assert statuses[7] == "refused"


def test_a_trial_is_read_as_often_as_it_changes_however_many_there_are(tmp_path: Path) -> None:
    ended: set[int] = set()
    reads: list[int] = []

    def read(number: int) -> TrialRecord:
        reads.append(number)
        return TrialRecord(number, "failed" if number in ended else "running", None)

    known = [record(number) for number in range(50)]
    with ReportRefresher(run_of(tmp_path, known, data=vars(DATA)), read) as refresher:
        for number in range(50, 250):
            refresher.on_start(number, record(0).recipe)
            ended.add(number)
            refresher.on_end(TrialRecord(number, "failed", None))
    assert min(reads) >= 50
    assert len(reads) <= 3 * 200


def test_between_two_reports_there_is_a_pause_that_a_change_does_not_end(tmp_path: Path) -> None:
    with ReportRefresher(run_of(tmp_path, data=vars(DATA)), record) as refresher:
        wait_until(lambda: shown(tmp_path) == 0)
        refresher.on_end(record(0))
    assert shown(tmp_path) == 0, "nor does the end, which has a report of its own"


@pytest.mark.parametrize(
    ("took", "pause"),
    [(0.0, EVERY_SECONDS), (0.01, EVERY_SECONDS), (4.0, 4.0 / SHARE), (60.0, 60.0 / SHARE)],
)
def test_what_takes_long_to_write_is_written_the_more_seldom(took: float, pause: float) -> None:
    assert pause_seconds(took) == pause
    assert took / (took + pause) <= SHARE


def test_it_begins_with_the_trials_that_there_are_and_reads_none(tmp_path: Path) -> None:
    def read(number: int) -> TrialRecord:
        raise OSError("the database is gone")

    with ReportRefresher(run_of(tmp_path, [record(0)], data=vars(DATA)), read):
        wait_until(lambda: shown(tmp_path) == 1)


@pytest.mark.usefixtures("at_once")
def test_a_fault_is_said_once_and_the_next_report_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = []

    def write(*_: object, **__: object) -> None:
        tried.append(threading.current_thread())
        raise OSError("no space left")

    monkeypatch.setattr(refreshing, "write_report", write)
    with ReportRefresher(run_of(tmp_path, data=vars(DATA)), record) as refresher:
        for number in range(3):
            wait_until(lambda count=number: len(tried) > count)
            refresher.on_end(record(number))
        wait_until(lambda: len(tried) == 4)
    assert threading.current_thread() not in tried
    (line,) = caplog.messages
    assert line == (
        "the report cannot be refreshed, and the study goes on: OSError: no space left"
    )
