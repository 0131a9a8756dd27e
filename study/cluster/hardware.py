"""In which precision a study trains: what all machines that it begins with are quick in."""

from typing import Any

import ray
from ray.util import accelerators
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from diffusion.precision import hardware_precision
from diffusion.recipe import Precision

TYPE_PREFIX = "accelerator_type:"  # of the resource by which Ray names a node's GPUs
# Of compute capabilities below 8.0, which multiply no bf16.
OLD_GPUS = {
    accelerators.NVIDIA_TESLA_V100,
    accelerators.NVIDIA_TESLA_P100,
    accelerators.NVIDIA_TESLA_T4,
    accelerators.NVIDIA_TESLA_P4,
    accelerators.NVIDIA_TESLA_K80,
}


def quickest_precision(device: str, *, joins: bool) -> Precision:
    """Return the precision that all machines are quick in.

    Args:
        device: that trials compute on, "cpu" or "cuda".
        joins: whether Ray runs on other machines, too.
    """
    if not joins:
        return hardware_precision(device)
    nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    if device == "cuda":
        # By their names: a task that asks a GPU itself would wait for one that is free.
        names = {name.removeprefix(TYPE_PREFIX) for node in nodes for name in node["Resources"]}
        return "float32" if names & OLD_GPUS else "bf16"
    found = {_of_node(node["NodeID"]) for node in nodes if node["Resources"].get("CPU")}
    return "bf16" if found == {"bf16"} else "float32"


def _of_node(node: str) -> Precision:
    task: Any = ray.remote(num_cpus=0)(hardware_precision)
    strategy = NodeAffinitySchedulingStrategy(node, soft=False)
    found: Precision = ray.get(task.options(scheduling_strategy=strategy).remote("cpu"))
    return found
