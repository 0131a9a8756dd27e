"""Asking a cluster's autoscaler for nodes: a study that takes what fits would not ask for more."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ray.exceptions import RayError

from study.cluster.resources import Resources, alive_nodes

logger = logging.getLogger(__name__)
MOST_WORKERS = 4_096  # An autoscaler packs what is asked for onto nodes, again and again.
# What no longer answers where the cluster is gone.
GONE = (RayError, ConnectionError, RuntimeError)
LOOK_EVERY_SECONDS, TELL_GROWTH = 1.0, 4


def await_first_node(
    cpus_per_trial: float | None, gpus_per_trial: float | None, tell: Callable[[str], None]
) -> None:
    """Wait until a node with CPUs is there, and ask an autoscaler for one meanwhile.

    What a trial takes is resolved from the nodes that are there, so that a head alone is none.

    Args:
        cpus_per_trial: asked for; None for one.
        gpus_per_trial: asked for; None where the first node decides.
        tell: is told that it is waited, ever more rarely for as long as it is.
    """
    if _has_cpus():
        return
    _ask([_bundle(cpus_per_trial or 1.0, gpus_per_trial or 0.0)])
    num_looks, tell_at = 0, 1
    try:
        while not _has_cpus():
            num_looks += 1
            if num_looks == tell_at:
                tell("no node of the cluster has CPUs for trials yet; waiting for the first one")
                tell_at *= TELL_GROWTH
            time.sleep(LOOK_EVERY_SECONDS)
    finally:
        _ask([])


def _has_cpus() -> bool:
    return any(node.cpus for node in alive_nodes())


def _bundle(cpus: float, gpus: float) -> dict[str, float]:
    return {name: amount for name, amount in {"CPU": cpus, "GPU": gpus}.items() if amount}


@contextmanager
def asking_for_nodes(resources: Resources, num_workers: int) -> Iterator[None]:
    """Ask for room for so many workers meanwhile; an autoscaler goes as far as its file allows.

    A cluster without one stays as it is. What is asked for holds until something else is, so that
    a driver that is killed leaves the nodes; the next study takes it back.

    Args:
        resources: say what each worker takes, and whether as many are wanted as fit.
        num_workers: that could be used.
    """
    bundle = _bundle(resources.cpus_per_trial, resources.gpus_per_trial)
    # Where a number is asked for, those that wait ask for their nodes.
    is_auto = resources.concurrent_trials_asked is None
    _ask([bundle] * min(num_workers, MOST_WORKERS) if is_auto else [])
    try:
        yield
    finally:
        _ask([])


def _ask(bundles: list[dict[str, float]]) -> None:
    """Ask for room in place of what was asked for before; a study goes on without."""
    from ray.autoscaler.sdk import request_resources  # slow to import: only where it is used

    try:
        request_resources(bundles=bundles)
    except GONE as error:
        logger.warning("the cluster's autoscaler could not be asked for nodes: %s", error)
