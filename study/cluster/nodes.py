"""The nodes of a cluster: whether each is fit for trials, and what of it is in use."""

import functools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray._private.state import available_resources_per_node
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.run.mark import check_mark

MOST_NAMED = 3


def check_nodes(check: Callable[[], None]) -> None:
    """Run a check in a process of every node that may get trials, but for the driver's own.

    Args:
        check: picklable; raises where a node is not fit.

    Raises:
        ValueError: a node is not; names it. One that is lost meanwhile says nothing.
    """
    own = ray.get_runtime_context().get_node_id()
    others = [
        node["NodeID"]
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"] and node["Resources"].get("CPU") and node["NodeID"] != own
    ]

    def call() -> None:  # Ray takes functions alone, not what acts like one
        check()

    task: Any = ray.remote(num_cpus=0)(call)
    asked = [
        task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote()
        for node in others
    ]
    unfit = [reason for reason in map(_why_unfit, asked) if reason is not None]
    if unfit:
        more = len(unfit) - MOST_NAMED
        others_too = f", and {more} more nodes like it" if more > 0 else ""
        raise ValueError("; ".join(unfit[:MOST_NAMED]) + others_too)


def show_to_nodes(run_dir: Path, text: str, *, new: bool) -> None:
    """Refuse a cluster of which a node does not see the run's folder; a new one is not left.

    Workers of nodes that join later look for the mark themselves.

    Args:
        run_dir: the run's folder.
        text: of its mark.
        new: whether the run has not begun.

    Raises:
        ValueError: a node does not see it.
    """
    try:
        check_nodes(functools.partial(check_mark, run_dir, text))
    except ValueError:
        if new:
            shutil.rmtree(run_dir)
        raise


def _why_unfit(reference: Any) -> str | None:
    try:
        ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        return str(error.cause)
    except ray.exceptions.RayError:  # the node is lost, and gets no trials
        return None
    return None


@dataclass(frozen=True)
class NodeUse:
    """A node, and what of it is in use."""

    machine: str
    cpus: float
    cpus_used: float
    gpus: float
    gpus_used: float


def nodes_in_use() -> list[NodeUse]:
    """Return the nodes of the cluster that is joined, with what of them is in use."""
    free: dict[str, dict[str, float]] = available_resources_per_node()  # type: ignore[no-untyped-call]
    found = []
    for node in ray.nodes():  # type: ignore[no-untyped-call]
        if node["Alive"] and node["NodeID"] in free:
            whole, left = node["Resources"], free[node["NodeID"]]
            (cpus, gpus), (cpus_left, gpus_left) = (
                (there.get("CPU", 0.0), there.get("GPU", 0.0)) for there in (whole, left)
            )
            machine = node["NodeManagerHostname"]
            found.append(NodeUse(machine, cpus, cpus - cpus_left, gpus, gpus - gpus_left))
    return found
