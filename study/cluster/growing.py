"""Asking a cluster's autoscaler for nodes: a study that takes what fits would not ask for more."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ray.autoscaler.sdk import request_resources
from ray.exceptions import RayError

from study.cluster.resources import Resources

logger = logging.getLogger(__name__)
MOST_WORKERS = 4_096  # An autoscaler packs what is asked for onto nodes, again and again.
# What no longer answers where the cluster is gone.
GONE = (RayError, ConnectionError, RuntimeError)


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
