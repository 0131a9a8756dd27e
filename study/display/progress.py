"""Tasks while they run: a bar, or plain lines where there is no terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from study.display.console import say

# on_task(done, total): how many of how many tasks are done.
OnTask = Callable[[int, int], None]


@contextmanager
def show_tasks(console: Console, name: str) -> Iterator[OnTask]:
    """Show tasks while they run; yields what is to be told of them.

    Args:
        console: where to show a bar; where it is no terminal, a line for each tenth that is done.
        name: of what is done, as it is: brackets in it are no markup.
    """
    if not console.is_terminal:
        yield _line_for_each_tenth(console, name)
        return
    description = TextColumn("{task.description}", markup=False)
    columns = (description, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _line_for_each_tenth(console: Console, name: str) -> OnTask:
    """Return what prints a line whenever another tenth of the tasks is done.

    Tasks may be told of anew, from the first on, with another total.
    """
    last_done = last_tenth = 0

    def on_task(done: int, total: int) -> None:
        nonlocal last_done, last_tenth
        if done <= last_done:
            last_tenth = 0
        tenth = 10 * done // total
        if tenth > last_tenth:
            say(console, f"{name}: {done} of {total}")
        last_done, last_tenth = done, max(tenth, last_tenth)

    return on_task
