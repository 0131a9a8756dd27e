"""Tasks are shown as they end: a bar in a terminal, a line for each tenth outside one."""

import io
import re

import pytest
from rich.console import Console

from study.display import progress
from study.display.progress import Count, show_tasks


def shown(*series: int, terminal: bool = False, name: str = "drawing") -> str:
    """Return what is written of series of tasks, each of so many."""
    out = io.StringIO()
    with show_tasks(Console(file=out, width=80, force_terminal=terminal), name) as on_task:
        for total in series:
            for done in range(1, total + 1):
                on_task(done, total)
    return out.getvalue()


@pytest.mark.parametrize(
    ("total", "told"),
    [
        (1, [1]),
        (3, [1, 2, 3]),
        (10, list(range(1, 11))),
        (25, [3, 5, 8, 10, 13, 15, 18, 20, 23, 25]),
        (1000, list(range(100, 1001, 100))),
    ],
)
def test_each_tenth_is_a_line_where_there_is_no_terminal(total: int, told: list[int]) -> None:
    lines = [line.split(",")[0] for line in shown(total).splitlines()]
    assert lines == [f"drawing: {done} of {total}" for done in told]


def test_tasks_that_begin_anew_are_told_of_again() -> None:
    assert [line.split(",")[0] for line in shown(2, 2, 1).splitlines()] == [
        *("drawing: 1 of 2", "drawing: 2 of 2") * 2,
        "drawing: 1 of 1",
    ]


def test_the_count_of_rounds_never_runs_backwards() -> None:
    out, count = io.StringIO(), Count()
    for total in (30, 9, 1):
        with show_tasks(Console(file=out), "drawing", count) as on_task:
            for done in range(total + 1):
                on_task(done, total)
    pairs = [re.findall(r"\d+", line)[:2] for line in out.getvalue().splitlines()]
    counts = [int(done) for done, _ in pairs]
    assert counts == sorted(set(counts))
    assert [pair for pair in pairs if pair[0] == pair[1]] == [[n, n] for n in ("30", "39", "40")]


def test_a_line_says_what_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([100.0, 130.0, 160.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds, 190.0))
    assert shown(3).splitlines() == [
        "drawing: 1 of 3, about 1 min 00 s left",
        "drawing: 2 of 3, about 30 s left",
        "drawing: 3 of 3",
    ]


def test_no_task_is_no_line() -> None:
    assert shown() == ""


def test_a_terminal_shows_a_bar_with_the_count() -> None:
    text = shown(3, terminal=True)
    assert "3/3" in text
    assert "3 of 3" not in text


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("name", ["a[b]c[/b]", "[/b]"])
def test_a_name_is_no_markup(name: str, terminal: bool) -> None:
    assert name in shown(1, terminal=terminal, name=name)
