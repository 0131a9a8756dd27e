"""What fits on the nodes of a cluster, each by itself."""

import json
import subprocess
import sys
from collections.abc import Sequence

import pytest

from study.cluster.resources import Node, fit_to_nodes

HEAD, SMALL, LARGE, GPUS = Node(0), Node(1), Node(4), Node(2, 2)

# Joins a cluster of two nodes with one CPU each, and prints what fits, and what is said where
# nothing does.
TWO_NODES = """
import json
from ray.cluster_utils import Cluster
from study.cluster.nodes import nodes_in_use
from study.cluster.resources import resolve_resources
from study.cluster.session import ray_session

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
cluster.add_node(num_cpus=1)
with ray_session(cluster.address, insecure=True):
    found = [resolve_resources(cpus, 0, None).concurrent_trials for cpus in (1, 0.5)]
    for words, named in (((2, 0, None), {}), ((2, 0, None), {"may_grow": True})):
        try:
            resolve_resources(*words, **named)
        except ValueError as error:
            found.append(str(error))
    coming = resolve_resources(1, 1, None, may_grow=True)
    found += [coming.concurrent_trials, coming.capacity(), coming.device, coming.what_waits(1)]
    found.append([[n.cpus, n.cpus_used, n.gpus] for n in nodes_in_use()])
    cluster.add_node(num_cpus=2, num_gpus=2)
    found.append(coming.now().concurrent_trials)
cluster.shutdown()
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    ("nodes", "cpus", "gpus", "trials"),
    [
        ([SMALL], None, None, 1),
        ([SMALL, SMALL], 1, 0, 2),
        ([SMALL, SMALL], 0.5, 0, 4),
        ([Node(3), Node(3)], 2, 0, 2),  # not the 3 of a single node with 6
        ([Node(1)], 0.1, 0, 10),
        ([Node(0.3)], 0.1, 0, 3),
        ([SMALL, LARGE], 2, 0, 2),  # the small one stays idle
        ([HEAD, GPUS], None, None, 2),
        ([HEAD, GPUS, GPUS], 1, 0.5, 4),  # by the CPUs
        ([Node(100, 2)], 1, 0.4, 4),  # 2 on each GPU, not 5 on both
        ([Node(100, 2)], 1, 0.5, 4),
        ([Node(100, 1)], 1, 1 / 3, 3),
        ([Node(100, 1)], 1, 0.6, 1),
        ([Node(100, 5), Node(100, 3)], 1, 2, 3),
        ([LARGE, GPUS], 1, 1, 2),  # no trial with a GPU on the node without
        ([LARGE, GPUS], 1, 0, 6),
        ([LARGE], 1e-9, 0, 40_000),  # Ray counts no less
    ],
)
def test_as_many_trials_run_at_once_as_each_node_holds(
    nodes: Sequence[Node], cpus: float | None, gpus: float | None, trials: int
) -> None:
    assert fit_to_nodes(nodes, cpus, gpus).concurrent_trials == trials


@pytest.mark.parametrize(
    ("nodes", "cpus", "gpus", "message"),
    [
        ([SMALL, SMALL], 2, 0, "--cpus-per-trial is 2; allowed: up to the 1 of the largest node"),
        ([HEAD], None, None, "--cpus-per-trial is 1; allowed: up to the 0 of the largest node"),
        ([], None, None, "--cpus-per-trial is 1; allowed: up to the 0 of the largest node"),
        ([GPUS, GPUS], 1, 3, "--gpus-per-trial is 3; allowed: up to the 2 of the largest node"),
        ([SMALL], 1, 0.5, "--gpus-per-trial is 0.5; allowed: up to the 0 of the largest node"),
        ([GPUS], 1, 1.5, "--gpus-per-trial is 1.5; allowed above 1: whole numbers"),
        (
            *([LARGE, GPUS], 3, 1),
            "--cpus-per-trial is 3; allowed: up to the 2 of the largest node with such GPUs",
        ),
    ],
)
def test_what_no_node_holds_is_refused_in_one_line(
    nodes: Sequence[Node], cpus: float | None, gpus: float | None, message: str
) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole message is compared
        fit_to_nodes(nodes, cpus, gpus)
    assert str(refused.value) == message


def test_what_the_user_asks_for_is_kept() -> None:
    found = fit_to_nodes([GPUS], 0.5, 0, concurrent_trials=9)
    assert found.to_dict() == {
        "cpus_per_trial": 0.5,
        "gpus_per_trial": 0,
        "concurrent_trials": 9,
        "concurrent_trials_asked": 9,
        "threads": 1,
        "device": "cpu",
    }
    assert fit_to_nodes([GPUS]).device == "cuda"


def test_a_share_of_a_gpu_is_taken_where_none_is_asked_for_and_there_are_any() -> None:
    shared = fit_to_nodes([GPUS], gpu_share=lambda: 0.25)
    assert (shared.gpus_per_trial, shared.device) == (0.25, "cuda")
    assert fit_to_nodes([GPUS], None, 1.0, gpu_share=lambda: 0.25).gpus_per_trial == 1
    assert fit_to_nodes([SMALL], gpu_share=lambda: 0.25).device == "cpu"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_nodes_of_one_cpu_run_no_trial_of_two() -> None:
    out = subprocess.run([sys.executable, "-c", TWO_NODES], capture_output=True, check=True)
    one, half, *refusals, at_once, room, device, waits, nodes, later = json.loads(
        out.stdout.splitlines()[-1]
    )
    assert (one, half) == (2, 4)
    assert refusals == ["--cpus-per-trial is 2; allowed: up to the 1 of the largest node"] * 2
    assert (at_once, room, device) == (1, 0, "cuda"), "a GPU that is to come is waited for"
    each = "each takes 1 CPU and 1 GPU, of 2 CPU there 2 CPU are free"
    assert waits == f"1 worker has not started; {each}"
    assert nodes == [[1, 0, 0], [1, 0, 0]]
    assert later == 2
