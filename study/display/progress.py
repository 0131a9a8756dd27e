"""Tasks while they run: a bar, or plain lines where there is no terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from study.display.console import say
from study.results.words import format_seconds

# on_task(done, total): how many of how many tasks are done.
OnTask = Callable[[int, int], None]
LINES = 10  # at most, from the first task to the last


@dataclass
class Count:
    """How many tasks are done in all, over the rounds in which they come to be known."""

    done: int = 0


@contextmanager
def show_tasks(console: Console, name: str, count: Count | None = None) -> Iterator[OnTask]:
    """Show tasks while they run; yields what is to be told of them.

    Args:
        console: where to show a bar; where it is no terminal, a line for each tenth that is done.
        name: of what is done, as it is: brackets in it are no markup.
        count: of the rounds before, which goes on; None to begin with this one.
    """
    count, start = count or Count(), time.monotonic()
    before = count.done
    if not console.is_terminal:

        def on_task(done: int, total: int) -> None:
            count.done = before + done
            if done and LINES * done // total > LINES * (done - 1) // total:
                left = (time.monotonic() - start) / done * (total - done)
                rest = f", about {format_seconds(left)} left" if done < total else ""
                say(console, f"{name}: {count.done} of {before + total}{rest}")

        yield on_task
        return
    description = TextColumn("{task.description}", markup=False)
    columns = (description, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(name, total=None, completed=before)

        def on_bar(done: int, total: int) -> None:
            count.done = before + done
            progress.update(task, completed=count.done, total=before + total)

        yield on_bar
