"""docs/cluster/gcp.yaml passes Ray's own offline validation, and our checks of the rest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from cluster_checks import (
    TOKEN,
    Config,
    accept,
    commands_text,
    launch_mistakes,
    leaves,
    load,
    pinned_ray,
    refused_by_ray,
    replace,
    unexplained,
)
from jsonschema import ValidationError

from diffusion.data import DATA_DIR_VARIABLE

FILE = "docs/cluster/gcp.yaml"
SHARED = "/mnt/filestore"
# What ray/autoscaler/_private/gcp and Ray's commands read of `provider`.
PROVIDER = leaves(
    *("type", "region", "availability_zone", "project_id", "cache_stopped_nodes"),
    *("use_internal_ips", "gcp_credentials"),
)
# Fields of Compute Engine's instances.insert that this file has a use for.
NODE = {
    "machineType": None,
    "disks": [
        leaves("boot", "autoDelete", "type")
        | {"initializeParams": leaves("diskSizeGb", "diskType", "sourceImage")}
    ],
    "networkInterfaces": [{"subnetwork": None, "accessConfigs": [leaves("name", "type")]}],
    "scheduling": leaves(
        *("provisioningModel", "instanceTerminationAction"),
        *("onHostMaintenance", "automaticRestart"),
    ),
}


def mistakes(config: Config) -> Iterator[str]:
    """Yield a line for each mistake that Ray's validation lets through."""
    yield from launch_mistakes(config, PROVIDER, NODE)
    yield from _provider_mistakes(config["provider"])
    for name, node_type in config["available_node_types"].items():
        yield from _machine_mistakes(name, node_type, config["provider"])
        if "GPU" in node_type["resources"]:
            yield from _worker_mistakes(name, node_type)
    if not re.search(rf"mount -t nfs4 -o \S+ \S+:/shared {SHARED}", commands_text(config)):
        yield "the file server is not mounted"
    if f"-v {SHARED}:{SHARED}" not in config["docker"]["run_options"]:
        yield "the containers do not see the shared folder"


def _provider_mistakes(provider: Config) -> Iterator[str]:
    if not provider.get("project_id"):
        yield "no project is named"
    if not re.fullmatch(rf"{provider['region']}-[a-z]", provider["availability_zone"]):
        yield f"{provider['availability_zone']} is no single zone of {provider['region']}"


def _machine_mistakes(name: str, node_type: Config, provider: Config) -> Iterator[str]:
    node = node_type["node_config"]
    networks = [interface.get("subnetwork", "") for interface in node.get("networkInterfaces", [])]
    if not networks:
        yield f"{name} would take a network that may let everybody in"
    for network in networks:
        if not network.startswith(f"regions/{provider['region']}/"):
            yield f"{name} is in the subnetwork {network}"
    for disk in node["disks"]:
        parameters = disk["initializeParams"]
        if not parameters.get("diskType", "").startswith(
            f"zones/{provider['availability_zone']}/"
        ):
            yield f"{name} has no disk type of {provider['availability_zone']}"
        if "/family/" in parameters["sourceImage"]:
            yield f"{name} takes whatever image its family has by then"
        if not disk.get("autoDelete"):
            yield f"{name} would leave its disk behind"


def _worker_mistakes(name: str, node_type: Config) -> Iterator[str]:
    scheduling = node_type["node_config"].get("scheduling", {})
    if scheduling.get("onHostMaintenance") != "TERMINATE":
        yield f"{name} has a GPU and would be moved"
    spot = scheduling.get("provisioningModel") == "SPOT"
    if spot == (node_type["min_workers"] > 0):
        yield f"{name} is spot and always there, or neither"
    if spot and scheduling.get("instanceTerminationAction") != "DELETE":
        yield f"{name} would pay for its disk once it is reclaimed"


@pytest.fixture
def config() -> Config:
    return load(FILE)


def node(config: Config, name: str) -> Config:
    return config["available_node_types"][name]["node_config"]


def test_ray_accepts_the_file(config: Config) -> None:
    prepared = accept(config)
    for name in ("setup_commands", "head_start_ray_commands", "worker_start_ray_commands"):
        assert prepared[name] == config[name]


def test_nothing_is_wrong_that_ray_does_not_see(config: Config) -> None:
    assert list(mistakes(config)) == []


def test_trials_run_on_gpu_workers_only(config: Config) -> None:
    types = config["available_node_types"]
    assert types.pop(config["head_node_type"])["resources"] == {"CPU": 0}
    assert all(worker["resources"]["GPU"] == 1 for worker in types.values())
    assert sum(worker["max_workers"] for worker in types.values()) == config["max_workers"]


def test_data_lies_where_every_node_sees_it(config: Config) -> None:
    assert f"-e {DATA_DIR_VARIABLE}={SHARED}/data" in config["docker"]["run_options"]


def test_every_value_to_fill_in_is_explained() -> None:
    assert unexplained(FILE, "docs/cluster/gcp.md") == []


@pytest.mark.parametrize(
    ("break_it", "error"),
    [
        (lambda config: config.update(initial_workers=2), ValidationError),
        (lambda config: config["provider"].update(project_id=7), ValidationError),
        (lambda config: config.update(head_node_type="haed"), ValueError),
        (lambda config: config.update(max_workers=0), ValueError),
    ],
    ids=["unknown key", "no such project", "no such head", "too few workers"],
)
def test_ray_refuses_a_broken_copy(
    config: Config, break_it: Callable[[Config], object], error: type[Exception]
) -> None:
    refused_by_ray(config, break_it, error)


@pytest.mark.parametrize(
    ("break_it", "complaint"),
    [
        (lambda c: c["provider"].update(zone="us-central1-b"), "unknown key zone in provider"),
        (lambda c: c["provider"].update(project_id=None), "no project is named"),
        (
            lambda c: c["provider"].update(availability_zone="us-central1-a,us-central1-b"),
            "is no single zone",
        ),
        (lambda c: c["provider"].update(region="europe-west4"), "is in the subnetwork"),
        (
            lambda c: node(c, "head").update(machineTyp="e2-small"),
            "unknown key machineTyp in head.node_config",
        ),
        (
            lambda c: node(c, "head")["disks"][0]["initializeParams"].update(sizeGb=1),
            "unknown key sizeGb in head.node_config.disks.initializeParams",
        ),
        (
            lambda c: node(c, "gpu_spot").update(scheduling=[{"preemptible": True}]),
            "gpu_spot.node_config.scheduling is no mapping",
        ),
        (
            lambda c: node(c, "gpu_spot")["scheduling"].pop("instanceTerminationAction"),
            "gpu_spot would pay for its disk",
        ),
        (
            lambda c: node(c, "gpu_spot")["scheduling"].pop("provisioningModel"),
            "gpu_spot is spot and always there, or neither",
        ),
        (lambda c: node(c, "gpu_on_demand").pop("scheduling"), "and would be moved"),
        (lambda c: node(c, "head").pop("networkInterfaces"), "may let everybody in"),
        (
            lambda c: node(c, "head")["disks"][0]["initializeParams"].pop("diskType"),
            "head has no disk type",
        ),
        (
            lambda c: node(c, "head")["disks"][0]["initializeParams"].update(
                sourceImage="projects/p/global/images/family/common"
            ),
            "whatever image its family has",
        ),
        (lambda c: node(c, "head")["disks"][0].pop("autoDelete"), "leave its disk behind"),
        (lambda c: c["docker"]["run_options"].pop(2), "do not see the shared folder"),
        (
            lambda c: replace(c, "initialization_commands", "mount -t nfs4", "true"),
            "the file server is not mounted",
        ),
        (lambda c: c["file_mounts"].update({"~/x": "."}), "may hold what git does not track"),
        (lambda c: c["file_mounts"].pop(TOKEN), "the token file is not mounted"),
        (lambda c: c["docker"].update(image="rayproject/ray:latest-gpu"), "does not name its Ray"),
        (
            lambda c: c["docker"].update(image=f"rayproject/ray:{pinned_ray()}-py311-gpu"),
            "is not named by its digest",
        ),
        (lambda c: c["docker"].update(image="rayproject/ray:2.9.3-py311-gpu"), "holds Ray 2.9.3"),
        (lambda c: c.pop("setup_commands"), "a nightly Ray would be installed"),
        (lambda c: c.pop("head_start_ray_commands"), "the dashboard is not kept to the head"),
        (
            lambda c: replace(c, "worker_start_ray_commands", "RAY_AUTH_MODE=token", ""),
            "worker_start_ray_commands lacks RAY_AUTH_MODE=token",
        ),
        (
            lambda c: replace(c, "head_start_ray_commands", "127.0.0.1", "0.0.0.0"),
            "a port is opened to every address",
        ),
    ],
)
def test_our_checks_refuse_a_broken_copy(
    config: Config, break_it: Callable[[Config], object], complaint: str
) -> None:
    break_it(config)
    assert any(complaint in mistake for mistake in mistakes(config))
