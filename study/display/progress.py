"""A bar of tasks while they run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

# on_task(done, total): how many of how many tasks are done.
OnTask = Callable[[int, int], None]


@contextmanager
def show_tasks(console: Console, name: str) -> Iterator[OnTask]:
    """Show a bar of tasks while they run; yields what is to be told of them."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
