"""Asking a cluster's autoscaler for nodes: a study that takes what fits would not ask for more."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ray.autoscaler.sdk import request_resources
from ray.exceptions import RayError

from study.cluster.resources import Resources, alive_nodes

logger = logging.getLogger(__name__)
MOST_WORKERS = 4_096  # An autoscaler packs what is asked for onto nodes, again and again.
# What no longer answers where the cluster is gone.
GONE = (RayError, ConnectionError, RuntimeError)
LOOK_EVERY_SECONDS = 1.0


def await_first_node(tell: Callable[[str], None]) -> None:
    """Wait until a node is there that can run trials, and ask an autoscaler for one meanwhile.

    What a trial takes is resolved from the nodes, so that a cluster of a head alone has to begin.

    Args:
        tell: is told that it is waited, where it is.
    """
    if any(node.cpus for node in alive_nodes()):
        return
    tell("no node of the cluster has CPUs for trials yet; waiting for the first one")
    _ask([{"CPU": 1}])
    try:
        while not any(node.cpus for node in alive_nodes()):
            time.sleep(LOOK_EVERY_SECONDS)
    finally:
        _ask([])


@contextmanager
def asking_for_nodes(resources: Resources, num_workers: int) -> Iterator[None]:
    """Ask for room for so many workers meanwhile; an autoscaler goes as far as its file allows.

    A cluster without one stays as it is. What is asked for holds until something else is, so that
    a driver that is killed leaves the nodes; the next study takes it back.

    Args:
        resources: say what each worker takes, and whether as many are wanted as fit.
        num_workers: that could be used.
    """
    worker = {"CPU": resources.cpus_per_trial, "GPU": resources.gpus_per_trial}
    bundle = {name: amount for name, amount in worker.items() if amount}
    # Where a number is asked for, those that wait ask for their nodes.
    is_auto = resources.concurrent_trials_asked is None
    _ask([bundle] * min(num_workers, MOST_WORKERS) if is_auto else [])
    try:
        yield
    finally:
        _ask([])


def _ask(bundles: list[dict[str, float]]) -> None:
    """Ask for room in place of what was asked for before; a study goes on without."""
    try:
        request_resources(bundles=bundles)
    except GONE as error:
        logger.warning("the cluster's autoscaler could not be asked for nodes: %s", error)
