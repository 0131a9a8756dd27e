"""In which precision a study draws: what all machines that it begins with are quick in."""

from collections.abc import Mapping
from typing import Any

import ray
from ray.util import accelerators
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from diffusion.precision import hardware_precision
from diffusion.recipe import Precision

TYPE_PREFIX = "accelerator_type:"  # of the resource by which Ray names a node's GPUs
# Of compute capabilities of 8.0 and more, which multiply bf16, as Ray names them.
BF16_GPUS = {
    *(accelerators.NVIDIA_A100, accelerators.NVIDIA_TESLA_A10G),
    *(accelerators.NVIDIA_L4, accelerators.NVIDIA_H100),
    *("A10", "A30", "A40", "A100-40G", "A100-80G", "L40", "L40S", "H20", "H200", "GH200", "B200"),
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
        names = [_gpu_names(node["Resources"]) for node in nodes if node["Resources"].get("GPU")]
        return "bf16" if names and all(own and own <= BF16_GPUS for own in names) else "float32"
    found = {_of_node(node["NodeID"]) for node in nodes if node["Resources"].get("CPU")}
    return "bf16" if found == {"bf16"} else "float32"


def _gpu_names(resources: Mapping[str, float]) -> set[str]:
    """Return what Ray calls a node's GPUs; none where it does not know."""
    types = (name for name in resources if name.startswith(TYPE_PREFIX))
    return {name.removeprefix(TYPE_PREFIX) for name in types}


def _of_node(node: str) -> Precision:
    task: Any = ray.remote(num_cpus=0)(hardware_precision)
    strategy = NodeAffinitySchedulingStrategy(node, soft=False)
    found: Precision = ray.get(task.options(scheduling_strategy=strategy).remote("cpu"))
    return found
