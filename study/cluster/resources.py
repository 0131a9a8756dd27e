"""What a trial gets of the machines, and how many trials they run at once."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import ray

UNITS = 10_000  # of one CPU or GPU, in which Ray counts; sums of fractions stay exact


@dataclass(frozen=True)
class Resources:
    """What a trial gets, and how many run at once.

    Attributes:
        concurrent_trials: as of now.
        concurrent_trials_asked: None for as many as fit into the cluster, which may change.
    """

    cpus_per_trial: float
    gpus_per_trial: float
    concurrent_trials: int
    concurrent_trials_asked: int | None = None

    @property
    def threads(self) -> int:
        """Torch's threads in a trial."""
        return max(1, int(self.cpus_per_trial))

    @property
    def device(self) -> str:
        """Where a trial's tensors live."""
        return "cuda" if self.gpus_per_trial > 0 else "cpu"

    def capacity(self) -> int:
        """Return for how many trials at once there is room, on the nodes that are there now."""
        return _fits(alive_nodes(), self.cpus_per_trial, self.gpus_per_trial)

    def now(self) -> Self:
        """Return the same with as many at once as were asked for, or fit now, one at least."""
        at_once = self.concurrent_trials_asked or max(self.capacity(), 1)
        return replace(self, concurrent_trials=at_once)

    def what_waits(self, num_workers: int) -> str:
        """Say for what so many workers wait, and what is there."""
        each = _describe(self.cpus_per_trial, self.gpus_per_trial)
        whole, free = (
            _describe(found.get("CPU", 0.0), found.get("GPU", 0.0))
            for found in (ray.cluster_resources(), ray.available_resources())  # type: ignore[no-untyped-call]
        )
        workers = "1 worker has" if num_workers == 1 else f"{num_workers} workers have"
        return f"{workers} not started; each takes {each}, of {whole} there {free} are free"

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {**vars(self), "threads": self.threads, "device": self.device}


@dataclass(frozen=True)
class Node:
    """What a machine of the cluster has for trials; a trial never spans two."""

    cpus: float
    gpus: float = 0.0

    def fits(self, cpus_each: float, gpus_each: float) -> int:
        """Return how many trials run on it at once; a fraction of a GPU is of a single one."""
        by_cpus = _quotient(self.cpus, cpus_each)
        if not gpus_each:
            return by_cpus
        if gpus_each > 1:
            return min(by_cpus, _quotient(self.gpus, gpus_each))
        return min(by_cpus, int(self.gpus) * _quotient(1, gpus_each))


def resolve_resources(
    cpus_per_trial: float | None,
    gpus_per_trial: float | None,
    concurrent_trials: int | None,
    *,
    may_grow: bool = False,
    gpu_share: Callable[[], float] = lambda: 1.0,
) -> Resources:
    """Fill in what the user left open from what the cluster's nodes have.

    Args:
        may_grow: whether nodes may come that are larger than those of now; then trials that fit
            on none are waited with, not refused.
        gpu_share: tells how much of a GPU a trial takes where the user left that open and there
            are any.

    Raises:
        ValueError: no node of the cluster can run a single trial with these.
    """
    nodes = alive_nodes()
    largest = max((node.cpus for node in nodes), default=0.0)
    coming = [Node(largest, math.ceil(gpus_per_trial))] if may_grow and gpus_per_trial else []
    found = fit_to_nodes(
        [*nodes, *coming], cpus_per_trial, gpus_per_trial, concurrent_trials, gpu_share
    )
    return found.now()


def fit_to_nodes(
    nodes: Sequence[Node],
    cpus_per_trial: float | None = None,
    gpus_per_trial: float | None = None,
    concurrent_trials: int | None = None,
    gpu_share: Callable[[], float] = lambda: 1.0,
) -> Resources:
    """Fill in what is None: a CPU, a share of a GPU where there is one, and what fits at once.

    Raises:
        ValueError: no node can run a single trial with these.
    """
    most_gpus = max((node.gpus for node in nodes), default=0.0)
    cpus_each = 1.0 if cpus_per_trial is None else cpus_per_trial
    gpus_each = gpus_per_trial
    if gpus_each is None:
        gpus_each = min(most_gpus, gpu_share()) if most_gpus else 0.0
    if gpus_each > 1 and gpus_each != int(gpus_each):
        raise ValueError(f"--gpus-per-trial is {gpus_each:g}; allowed above 1: whole numbers")
    if gpus_each > most_gpus:
        raise ValueError(
            f"--gpus-per-trial is {gpus_each:g}; "
            f"allowed: up to the {most_gpus:g} of the largest node"
        )
    most_cpus = max((node.cpus for node in nodes if node.gpus >= gpus_each), default=0.0)
    if cpus_each > most_cpus:
        largest = "the largest node" if not gpus_each else "the largest node with such GPUs"
        raise ValueError(
            f"--cpus-per-trial is {cpus_each:g}; allowed: up to the {most_cpus:g} of {largest}"
        )
    at_once = concurrent_trials or _fits(nodes, cpus_each, gpus_each)
    return Resources(cpus_each, gpus_each, at_once, concurrent_trials)


def _fits(nodes: Sequence[Node], cpus_each: float, gpus_each: float) -> int:
    return sum(node.fits(cpus_each, gpus_each) for node in nodes)


def _describe(cpus: float, gpus: float) -> str:
    return f"{cpus:g} CPU" + (f" and {gpus:g} GPU" if gpus else "")


def alive_nodes() -> list[Node]:
    """Return what the machines of the cluster that are there have for trials."""
    return [
        Node(node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0))
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"]
    ]


def _quotient(whole: float, part: float) -> int:
    return round(whole * UNITS) // max(round(part * UNITS), 1)
