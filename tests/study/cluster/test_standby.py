"""A standby tells where it is and whether trials can run there, until one takes it over."""

import errno
from typing import Any

import pytest

from study.cluster import standby
from study.cluster.place import Place
from study.cluster.standby import POLL_SECONDS, SHORT_POLLS, Ready, stand_by

PLACE = Place("a", "alpha", 1)


class TakenOver(Exception):
    """A trial has the process."""


@pytest.mark.parametrize(
    ("error", "unfit"),
    [
        (None, None),
        (RuntimeError("Found no NVIDIA driver"), "RuntimeError: Found no NVIDIA driver"),
        (OSError(errno.ENOENT, "unseen"), "FileNotFoundError: [Errno 2] unseen"),
    ],
    ids=["fit", "no driver", "no folder"],
)
def test_it_reports_what_it_found_until_it_is_taken_over(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, unfit: str | None
) -> None:
    reports: list[dict[str, Any]] = []
    waits: list[float] = []

    def check() -> None:
        if error is not None:
            raise error

    def report(result: dict[str, Any]) -> None:
        reports.append(result)
        if len(reports) == SHORT_POLLS + 30:
            raise TakenOver

    monkeypatch.setattr(Place, "here", lambda: PLACE)
    monkeypatch.setattr(standby.time, "sleep", waits.append)
    with pytest.raises(TakenOver):
        stand_by(check, report)
    assert {Ready.from_result(report) for report in reports} == {Ready(PLACE, unfit)}
    assert set(waits[:SHORT_POLLS]) == {POLL_SECONDS}
    assert waits == sorted(waits), "it asks ever more rarely"
    assert waits[-1] == standby.LONGEST_POLL_SECONDS
