"""Nodes that are not fit for trials, told before there are any."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# A cluster of a head and two nodes, of which the last has an empty folder in the run's place: a
# mount namespace of its own. Prints what is said, with and without that node.
CLUSTER = """
import functools, json, os, subprocess, sys, time
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from study.cluster.nodes import check_nodes
from study.cluster.session import ray_session
from study.run.mark import check_mark, mark

run = Path(sys.argv[1]) / "runs" / "quick-001"
run.mkdir(parents=True)
check = functools.partial(check_mark, run, mark(run))
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
cluster.add_node(num_cpus=1)
found = []
with ray_session(cluster.address, insecure=True):
    check_nodes(check)
    found.append("all see it")
    start = f"ray start --address={cluster.address} --num-cpus=1 --block"
    hidden = f"mount -t tmpfs none {run.parent} && exec {start}"
    node = subprocess.Popen(
        ["unshare", "--mount", "bash", "-c", hidden],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        while sum(n["Alive"] for n in ray.nodes()) < 3:
            assert node.poll() is None, "the node did not start"
            time.sleep(0.2)
        check_nodes(check)
    except ValueError as error:
        found.append(str(error))
    finally:
        node.terminate()
        node.wait()
cluster.shutdown()
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_node_with_another_disk_is_named_before_any_trial(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("no mount namespace can be made here: that takes root")
    out = subprocess.run(
        [sys.executable, "-c", CLUSTER, str(tmp_path)], stdout=subprocess.PIPE, check=True
    )
    seen, unseen = json.loads(out.stdout.splitlines()[-1])
    assert seen == "all see it"
    assert "does not see " in unseen
    assert unseen.endswith(
        "quick-001; allowed: a folder on a disk that every node mounts under the same path"
    )
