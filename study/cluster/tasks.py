"""Ray runs plain tasks, for the work beside trials."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import ray

from study.cluster.resources import Resources

Item = TypeVar("Item")
Result = TypeVar("Result")
WAIT_SECONDS = 0.2
WORKER_DEATHS_ALLOWED = 1


def run_tasks(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    resources: Resources,
    is_late: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Item, Result | Exception]]:
    """Apply a function to items in workers, and yield each with its result or its error.

    Args:
        function: picklable; called in a worker process.
        resources: what each task gets, and how many run at once.
        is_late: once it says so no task starts any more; those that run are waited for.
    """

    def call(item: Item) -> Result:  # Ray takes functions alone, not what acts like one
        return function(item)

    task: Any = ray.remote(
        num_cpus=resources.cpus_per_trial,
        num_gpus=resources.gpus_per_trial,
        max_retries=WORKER_DEATHS_ALLOWED,
    )(call)
    waiting = list(items)
    running: dict[Any, Item] = {}
    try:
        while waiting or running:
            if is_late():
                waiting.clear()
            while waiting and len(running) < resources.concurrent_trials:
                item = waiting.pop(0)
                running[task.remote(item)] = item
            ready, _ = ray.wait(list(running), timeout=WAIT_SECONDS) if running else ([], [])
            for reference in ready:
                yield running.pop(reference), _outcome(reference)
    finally:
        for reference in running:  # the caller was interrupted
            ray.cancel(reference, force=True)


def _outcome(reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        return error.cause if isinstance(error.cause, Exception) else error
    except ray.exceptions.RayError as error:
        return error
