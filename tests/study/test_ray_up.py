"""docs/cluster/local.yaml for real: `ray up` over SSH, a search on the cluster, `ray down`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_cluster import Cluster, loopback_cluster
from loopback_machines import Machine, Unavailable

from study.run.run import Run

# Trained for real in a second, and better than noise.
SPACE = """
from diffusion.recipe import CompressionConfig, NetworkConfig, Recipe, SamplingConfig
from diffusion.recipe import TrainingConfig

def suggest(trial, data):
    groups = trial.suggest_categorical("backbone.groups", [1, 2, 4])
    step = trial.suggest_float("compression.step", 0.5, 2.0, log=True)
    return Recipe(
        data=data,
        network=NetworkConfig("mini_ddpm", (8, 16), groups=groups, patch_size=2),
        training=TrainingConfig(train_images=6_400, batch_size=32, learning_rate=3e-3),
        compression=CompressionConfig(quantization="uniform", quantization_step=round(step, 3)),
        sampling=SamplingConfig(steps=6),
    )
"""
# Each worker of the test has one CPU, and the head has none.
WAIT = """
import sys, time, ray

ray.init(address="auto")
deadline = time.monotonic() + 400
while ray.cluster_resources().get("CPU", 0) < int(sys.argv[1]):
    if time.monotonic() > deadline:
        sys.exit("the workers did not join")
    time.sleep(0.5)
"""
TRIALS = 4


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    try:
        with loopback_cluster() as machines:
            yield machines
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.mark.slow
@pytest.mark.timeout(2700)
def test_a_search_runs_on_the_machines_that_ray_up_makes_a_cluster_of(cluster: Cluster) -> None:
    made = cluster.ray("up", "--yes", "--no-config-cache")
    assert made.returncode == 0, made.stdout
    assert cluster.head.runs("gcs_server")
    run = searched(cluster)
    for machine in (cluster.head, *cluster.workers):
        assert_set_up(machine)
    assert_used_by(run, {worker.name for worker in cluster.workers})

    ended = cluster.ray("down", "--yes")
    assert ended.returncode == 0, ended.stdout
    assert not cluster.head.runs("gcs_server")
    assert not cluster.head.runs("raylet")


def searched(cluster: Cluster) -> Path:
    """Run a search on the head, once all workers are there, and return its run's folder."""
    (cluster.shared / "tiny.py").write_text(SPACE)
    (cluster.shared / "wait.py").write_text(WAIT)
    wait = f"python {cluster.shared}/wait.py {len(cluster.workers)}"
    search = "python -m study.search --address auto --no-verify --name up"
    where = f"--space {cluster.shared}/tiny.py --out {cluster.shared}/runs --trials {TRIALS}"
    done = cluster.ray("exec", f"cd ~/paretodiff && {wait} && {search} {where}")
    logs = [cluster.head.log(name) for name in ("monitor.out", "monitor.log")]
    assert done.returncode == 0, "\n".join([done.stdout, *logs])
    assert f"{TRIALS} of {TRIALS} trials finished, 0 failed" in done.stdout
    return cluster.shared / "runs" / "up"


def assert_set_up(machine: Machine) -> None:
    """The project is there as git tracks it, and the token for its user alone."""
    assert (machine.home / "paretodiff/study/search.py").is_file()
    assert not (machine.home / "paretodiff/.git").exists()
    assert (machine.home / ".ray/auth_token").stat().st_mode & 0o777 == 0o600
    assert machine.runs(f"{machine.home}/paretodiff-venv/bin/python")
    # A second time adds nothing.
    assert (machine.home / ".bashrc").read_text().count(". ~/.paretodiff\n") == 1


def assert_used_by(run: Path, workers: set[str]) -> None:
    """Each worker ran trials of the search, and the front's models are there."""
    complete = [record for record in Run.read(run).records if record.state == "complete"]
    assert len(complete) == TRIALS
    assert {record.scores["machine"] for record in complete if record.scores} == workers
    points = json.loads((run / "front/front.json").read_text())["points"]
    assert points
    assert all((run / point["package_path"]).stat().st_size > 0 for point in points)
    assert (run / "report.html").is_file()
