"""The precision of a study is one that all machines are quick in."""

from typing import Any

import pytest
import ray

from study.cluster import hardware
from study.cluster.hardware import quickest_precision


def cluster_of(monkeypatch: pytest.MonkeyPatch, *resources: dict[str, float]) -> None:
    """Have Ray name nodes with these resources, and one that is gone."""
    nodes: list[dict[str, Any]] = [
        {"NodeID": str(number), "Alive": True, "Resources": each}
        for number, each in enumerate(resources)
    ]
    gone = {"NodeID": "gone", "Alive": False, "Resources": {"CPU": 1, "accelerator_type:T4": 1}}
    monkeypatch.setattr(ray, "nodes", lambda: [*nodes, gone])


@pytest.mark.parametrize(
    ("names", "precision"),
    [
        (("A100",), "bf16"),
        (("A100", "V100"), "float32"),
        (("H100", "L4"), "bf16"),
        (("GeForce-RTX-2080",), "float32"),
        ((), "float32"),
    ],
)
def test_a_cluster_with_old_or_unknown_gpus_draws_in_float32(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], precision: str
) -> None:
    cluster_of(monkeypatch, {"CPU": 2}, *({"GPU": 1, f"accelerator_type:{n}": 1} for n in names))
    assert quickest_precision("cuda", joins=True) == precision


def test_a_gpu_that_ray_does_not_name_is_not_taken_for_a_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster_of(monkeypatch, {"GPU": 1}, {"GPU": 1, "accelerator_type:A100": 1})
    assert quickest_precision("cuda", joins=True) == "float32"


@pytest.mark.parametrize(
    ("found", "precision"),
    [(("bf16", "bf16"), "bf16"), (("bf16", "float32"), "float32"), ((), "float32")],
)
def test_every_node_with_cpus_is_asked(
    monkeypatch: pytest.MonkeyPatch, found: tuple[str, ...], precision: str
) -> None:
    cluster_of(monkeypatch, *({"CPU": 2.0} for _ in found), {"memory": 1})
    monkeypatch.setattr(hardware, "_of_node", lambda node: found[int(node)])
    assert quickest_precision("cpu", joins=True) == precision


def test_this_machine_alone_is_asked_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "hardware_precision", lambda device: f"of {device}")
    assert quickest_precision("cpu", joins=False) == "of cpu"
