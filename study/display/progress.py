"""Tasks while they run: a bar, or plain lines where there is no terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from study.display.console import say

# on_task(done, total): how many of how many tasks are done.
OnTask = Callable[[int, int], None]
LINES = 10  # at most, from the first task to the last


@contextmanager
def show_tasks(console: Console, name: str) -> Iterator[OnTask]:
    """Show tasks while they run; yields what is to be told of them.

    Args:
        console: where to show a bar; where it is no terminal, a line for each tenth that is done.
        name: of what is done, as it is: brackets in it are no markup.
    """
    if not console.is_terminal:
        yield lambda done, total: _line(console, name, done, total)
        return
    description = TextColumn("{task.description}", markup=False)
    columns = (description, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _line(console: Console, name: str, done: int, total: int) -> None:
    """Print a line where another tenth of the tasks is done."""
    if done and LINES * done // total > LINES * (done - 1) // total:
        say(console, f"{name}: {done} of {total}")
