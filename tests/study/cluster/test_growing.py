"""A study that takes what fits asks an autoscaler for nodes, and lets go of them at its end."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import processes
import pytest
import ray

from study.cluster.growing import MOST_WORKERS, asking_for_nodes, await_first_node
from study.cluster.resources import Node, Resources
from study.run.run import Run

STUDY_TESTS = Path(__file__).parent.parent
NODES = 3
LISTS = (
    *("cluster_synced_files", "rsync_exclude", "rsync_filter"),
    *("initialization_commands", "setup_commands", "head_setup_commands"),
    *("worker_setup_commands", "head_start_ray_commands", "worker_start_ray_commands"),
)
# Ray's own provider for tests: each node that it adds is a raylet on this machine.
FAKE = {
    "cluster_name": "fake",
    "max_workers": NODES,
    "idle_timeout_minutes": 0.1,
    "head_node_type": "head",
    "available_node_types": {
        "head": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "worker": {
            "resources": {"CPU": 1},
            "node_config": {},
            "min_workers": 1,
            "max_workers": NODES,
        },
    },
    "upscaling_speed": 1.0,
    "file_mounts_sync_continuously": False,
    **{name: {} for name in ("auth", "docker", "file_mounts")},
    **{name: [] for name in LISTS},
}


@contextmanager
def autoscaled_cluster(folder: Path) -> Iterator[str]:
    """Start a head that may add nodes; yields its address."""
    port = 20_000 + os.getpid() % 10_000
    address = f"{ray.util.get_node_ip_address()}:{port}"
    provider = {
        "type": "fake_multinode",
        "gcs_address": address,
        "launch_multiple": True,
        "use_node_id_as_ip": True,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
    }
    config = folder / "fake.json"
    config.write_text(json.dumps({**FAKE, "provider": provider}))
    command = ["ray", "start", "--head", "--num-cpus=0", f"--port={port}", "--block"]
    settings = {"RAY_FAKE_CLUSTER": "1", "RAY_AUTH_MODE": "disabled"}
    bin_dir = Path(sys.executable).parent
    with processes.running(
        [*command, "--include-dashboard=false", f"--autoscaling-config={config}"],
        env={**os.environ, **settings, "PATH": f"{bin_dir}:{os.environ['PATH']}"},
        stdout=(folder / "head.txt").open("w"),
        stderr=subprocess.STDOUT,
    ) as head:
        processes.wait_until(head, lambda: "Ray runtime started" in read(folder / "head.txt"))
        while len(alive_nodes(address)) < 2:  # the one that is always there
            time.sleep(1)
        yield address


def alive_nodes(address: str) -> list[str]:
    """Ask a cluster, in a process of its own, which nodes are there."""
    script = f"""
import ray
ray.init({address!r}, log_to_driver=False, logging_level="ERROR")
print(*(node["NodeID"] for node in ray.nodes() if node["Alive"]))
"""
    settings = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    out = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True, env=settings
    )
    return out.stdout.split()


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_study_that_takes_what_fits_makes_its_cluster_grow(tmp_path: Path) -> None:
    """Every trial waits, so that as many begin as there are nodes."""
    (tmp_path / "run.hold").write_text("0")
    words = ["staged", "--insecure", "--out", str(tmp_path), "--name", "run", "--trials", "6"]
    words += ["--no-verify", "--no-early-stopping", "--concurrent-trials", "auto"]
    with autoscaled_cluster(tmp_path) as address:
        with processes.running(
            [sys.executable, str(STUDY_TESTS / "injected.py"), *words, "--address", address],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(STUDY_TESTS), *sys.path])},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as search:
            held = tmp_path / "run.held"
            processes.wait_until(search, lambda: processes.lines(held) == NODES)
            (tmp_path / "run.hold").unlink()
            said = search.communicate()[0]
        assert search.returncode == 0, said
        run = Run.read(tmp_path / "run")
        assert [record.state for record in run.records if record.finished] == ["complete"] * 6
        while len(alive_nodes(address)) > 2:
            time.sleep(1)


def test_what_was_asked_for_is_taken_back_and_a_number_asks_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[list[dict[str, float]]] = []
    monkeypatch.setattr(
        "ray.autoscaler.sdk.request_resources", lambda bundles: asked.append(bundles)
    )
    with asking_for_nodes(Resources(1, 0.5, 2, None), 3):
        assert asked == [[{"CPU": 1, "GPU": 0.5}] * 3]
    assert asked.pop() == []
    with pytest.raises(KeyboardInterrupt), asking_for_nodes(Resources(2, 0, 2, None), 1):
        raise KeyboardInterrupt
    assert asked[-2:] == [[{"CPU": 2}], []]
    asked.clear()
    with asking_for_nodes(Resources(1, 0.5, 2, 2), 3):
        assert asked == [[]], "what a killed driver asked for is taken back"
    asked.clear()
    with asking_for_nodes(Resources(1, 0, 2, None), 10**9):
        assert len(asked.pop()) == MOST_WORKERS


def test_a_head_alone_is_waited_with_and_an_autoscaler_asked_for_a_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[list[dict[str, float]]] = []
    there = iter([*[[Node(0)]] * 6, [Node(0), Node(4)]])
    monkeypatch.setattr("study.cluster.growing.LOOK_EVERY_SECONDS", 0)
    monkeypatch.setattr("study.cluster.growing.alive_nodes", lambda: next(there))
    monkeypatch.setattr(
        "ray.autoscaler.sdk.request_resources", lambda bundles: asked.append(bundles)
    )
    said: list[str] = []
    await_first_node(2, 0.5, said.append)
    assert asked == [[{"CPU": 2, "GPU": 0.5}], []]
    assert len(said) == 2, "ever more rarely: at the first and the fourth look"
    assert next(there, None) is None


def test_nothing_is_asked_or_said_where_a_node_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.cluster.growing.alive_nodes", lambda: [Node(0), Node(1)])
    monkeypatch.setattr("ray.autoscaler.sdk.request_resources", pytest.fail)
    await_first_node(None, None, pytest.fail)


def test_a_wait_that_is_cut_off_takes_back_what_it_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    asked: list[list[dict[str, float]]] = []
    monkeypatch.setattr("study.cluster.growing.time.sleep", interrupt)
    monkeypatch.setattr("study.cluster.growing.alive_nodes", list)
    monkeypatch.setattr(
        "ray.autoscaler.sdk.request_resources", lambda bundles: asked.append(bundles)
    )
    with pytest.raises(KeyboardInterrupt):
        await_first_node(None, None, str)
    assert asked == [[{"CPU": 1.0}], []]


def test_a_study_goes_on_where_no_autoscaler_can_be_asked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(bundles: list[dict[str, float]]) -> None:
        raise ConnectionError("the head is gone")

    monkeypatch.setattr("ray.autoscaler.sdk.request_resources", refuse)
    with asking_for_nodes(Resources(1, 0, 2, None), 3):
        pass
    assert caplog.text.count("could not be asked for nodes: the head is gone") == 2
