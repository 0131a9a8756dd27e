"""Nodes that are not fit for trials, told before there are any."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from study.run.run import Run

STUDY_TESTS = Path(__file__).parent.parent

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
        "quick-001; allowed: a folder on a disk that every node mounts under the same path "
        "(with a URL: --work-dir)"
    )


def on_cluster(script: str, folder: Path) -> tuple[int, str]:
    """Return the status of a search on a cluster that a script makes, and what it said."""
    out = subprocess.run(
        [sys.executable, "-c", script, str(folder), str(STUDY_TESTS / "injected.py")],
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(STUDY_TESTS), *sys.path])},
    )
    status, said = json.loads(out.stdout.splitlines()[-1])
    return status, said


# A cluster of two nodes beside the head, each at work on a trial that does not end; one is killed
# and another one joins. Prints how the search ended and what it said.
LOSS = """
import json, subprocess, sys
from pathlib import Path
import processes
from ray.cluster_utils import Cluster

out = Path(sys.argv[1])
hold, held = out / "run.hold", out / "run.held"
hold.write_text("0")
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
words = ["staged", "--address", cluster.address, "--insecure", "--out", str(out), "--name", "run"]
words += ["--trials", "6", "--retries", "0", "--no-verify", "--no-early-stopping"]

with processes.running(
    [sys.executable, sys.argv[2], *words], stdout=subprocess.PIPE, text=True
) as search:
    processes.wait_until(search, lambda: processes.lines(held) == 2)
    cluster.remove_node(nodes[0], allow_graceful=False)
    cluster.add_node(num_cpus=1)
    processes.wait_until(search, lambda: processes.lines(held) == 3)
    hold.unlink()
    said = search.communicate()[0]
cluster.shutdown()
print(json.dumps([search.returncode, said]))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_trial_of_a_node_that_is_lost_goes_on_where_another_joined_without_a_failure(
    tmp_path: Path,
) -> None:
    status, said = on_cluster(LOSS, tmp_path)
    assert status == 0, said
    assert said.count("broke (its node was lost") == 1
    run = Run.read(tmp_path / "run")
    assert [record.state for record in run.records if record.finished] == ["complete"] * 6


# A cluster whose only node says that it has a GPU, without any driver.
NO_DRIVER = """
import json, subprocess, sys
from ray.cluster_utils import Cluster

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
cluster.add_node(num_cpus=2, num_gpus=2)
words = ["tabulated", "--address", cluster.address, "--insecure", "--out", sys.argv[1]]
words += ["--name", "run", "--trials", "8", "--gpus-per-trial", "1", "--no-verify"]
done = subprocess.run(
    [sys.executable, sys.argv[2], *words],
    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
)
cluster.shutdown()
print(json.dumps([done.returncode, done.stdout]))
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_node_without_a_driver_gets_no_trial_and_the_study_says_so(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a driver on this machine")
    status, said = on_cluster(NO_DRIVER, tmp_path)
    assert status == 2, said
    assert said.count("gets no trials: ") == 1
    assert "no node that is there is fit for a trial: " in said.splitlines()[-1]
    assert "go on with: python -m study.search --resume" in said.splitlines()[-1]
    assert "Traceback" not in said
    assert {r.state for r in Run.read(tmp_path / "run").records} == {"waiting"}


# One node that sees the run, and one that joins with an empty folder in its place.
UNSEEING = """
import json, os, subprocess, sys
from pathlib import Path
import processes
from ray.cluster_utils import Cluster

out = Path(sys.argv[1])
hold, held = out / "run.hold", out / "run.held"
hold.write_text("0")
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
cluster.add_node(num_cpus=1)
words = ["staged", "--address", cluster.address, "--insecure", "--out", str(out), "--name", "run"]
words += ["--trials", "4", "--no-verify", "--no-early-stopping"]
start = f"ray start --address={cluster.address} --num-cpus=2 --block"
printed = out / "printed"
with printed.open("w") as file, processes.running(
    [sys.executable, "-u", sys.argv[2], *words], stdout=file, text=True
) as search:
    processes.wait_until(search, lambda: processes.lines(held) == 1)
    with processes.running(
        ["unshare", "--mount", "bash", "-c", f"mount -t tmpfs none {out} && exec {start}"],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ):
        processes.wait_until(search, lambda: "gets no trials" in printed.read_text())
        hold.unlink()
        search.wait()
cluster.shutdown()
print(json.dumps([search.returncode, printed.read_text()]))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_node_that_joins_without_the_folder_gets_no_trial_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("no mount namespace can be made here: that takes root")
    status, said = on_cluster(UNSEEING, tmp_path)
    assert status == 0, said
    assert said.count("gets no trials: FolderUnseen") == 1
    states = [record.state for record in Run.read(tmp_path / "run").records if record.finished]
    assert states == ["complete"] * 4
