"""docs/cluster/local.yaml passes Ray's offline validation, and our checks of what it overlooks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from click import ClickException
from cluster_checks import (
    ROOT,
    START_LISTS,
    TOKEN,
    TRACKED,
    Config,
    accept,
    common_mistakes,
    load,
    refused_by_ray,
    replace,
    unexplained,
)
from jsonschema import ValidationError

FILE = "docs/cluster/local.yaml"
# What ray/autoscaler/_private/local reads of `provider`, where no coordinator is used.
PROVIDER_KEYS = {"type", "head_ip", "worker_ips", "external_head_ip"}


def mistakes(config: Config) -> Iterator[str]:
    """Yield a line for each mistake that Ray's validation lets through."""
    provider = config["provider"]
    for key in provider.keys() - PROVIDER_KEYS:
        yield f"unknown provider key {key}"
    addresses = [provider["head_ip"], *provider["worker_ips"]]
    if len(set(addresses)) < len(addresses):
        yield f"one machine is named twice in {addresses}"
    if not provider["worker_ips"]:
        yield "no machine would run trials"
    if "ssh_private_key" not in config["auth"]:
        yield "the head would have no key to the workers"
    if f"chmod 600 {TOKEN}" not in config.get("setup_commands", []):
        yield "others on a machine may read the token"
    yield from common_mistakes(config)
    yield from _start_mistakes(config)


def _start_mistakes(config: Config) -> Iterator[str]:
    starts = {name: accept(config)[name][-1] for name in START_LISTS}
    for name, start in starts.items():
        if "--node-ip-address=" not in start:
            yield f"{name} leaves it to Ray which of a machine's addresses is the node's"
    head, worker = starts.values()
    if "RAY_enable_autoscaler_v2=0" not in head.partition("ray start")[0]:
        yield "the head would start no worker"
    if "--num-cpus=0 --num-gpus=0" not in head:
        yield "trials would run on the head"
    port = re.search(r"--port=(\d+)", head)
    if port is None or f"--address=$RAY_HEAD_IP:{port[1]} " not in worker:
        yield "the workers would not look where the head listens"


@pytest.fixture
def config() -> Config:
    return load(FILE)


def test_ray_accepts_the_file_and_takes_its_commands(config: Config) -> None:
    prepared = accept(config)
    assert {name: prepared[name] for name in START_LISTS} == {n: config[n] for n in START_LISTS}
    for name in ("head_setup_commands", "worker_setup_commands"):
        assert prepared[name] == config["setup_commands"]
    assert prepared["initialization_commands"] == config["initialization_commands"]


def test_nothing_is_wrong_that_ray_does_not_see(config: Config) -> None:
    assert list(mistakes(config)) == []


def test_all_machines_stay_from_up_to_down(config: Config) -> None:
    prepared = accept(config)
    (machines,) = prepared["available_node_types"].values()
    count = len(config["provider"]["worker_ips"])
    assert machines["min_workers"] == machines["max_workers"] == prepared["max_workers"] == count


def test_what_is_copied_is_what_git_tracks_and_the_token(config: Config) -> None:
    assert config["file_mounts"] == {"~/paretodiff": TRACKED, TOKEN: TOKEN}


def test_every_value_to_fill_in_is_explained() -> None:
    assert len(set(re.findall(r"[\w-]+-REPLACE", (ROOT / FILE).read_text()))) == 4
    assert unexplained(FILE, "docs/cluster/fixed.md") == []


@pytest.mark.parametrize(
    ("break_it", "error"),
    [
        (lambda config: config.update(initial_workers=2), ValidationError),
        (lambda config: config["auth"].update(ssh_usr="me"), ValidationError),
        (lambda config: config["provider"].update(worker_ips="10.0.0.2"), ValidationError),
        (lambda config: config["provider"].pop("head_ip"), ClickException),
        (lambda config: config.update(available_node_types={"gpu": {}}), ClickException),
    ],
    ids=["unknown key", "unknown auth key", "no list", "no head", "types of nodes"],
)
def test_ray_refuses_a_broken_copy(
    config: Config, break_it: Callable[[Config], object], error: type[Exception]
) -> None:
    refused_by_ray(config, break_it, error)


@pytest.mark.parametrize(
    ("break_it", "complaint"),
    [
        (lambda c: c["provider"].update(haed_ip="a"), "unknown provider key haed_ip"),
        (lambda c: c["provider"].update(region="us-west-2"), "unknown provider key region"),
        (lambda c: c["provider"]["worker_ips"].append("head-REPLACE"), "is named twice"),
        (lambda c: c["provider"].update(worker_ips=[]), "no machine would run trials"),
        (lambda c: c["auth"].pop("ssh_private_key"), "no key to the workers"),
        (lambda c: c["file_mounts"].update({"~/x": "."}), "may hold what git does not track"),
        (lambda c: c["file_mounts"].update({"~/x": "docs"}), "may hold what git does not track"),
        (lambda c: c["file_mounts"].pop(TOKEN), "the token file is not mounted"),
        (lambda c: replace(c, "setup_commands", "600", "644"), "may read the token"),
        (lambda c: replace(c, "setup_commands", "-c constraints.txt", ""), "its constraints"),
        (lambda c: replace(c, "setup_commands", "[default]", ""), "ray[default]"),
        (lambda c: c.pop("setup_commands"), "Ray's default setup_commands would run"),
        (
            lambda c: replace(c, "setup_commands", '"ray[default]"', "ray-3.0.0.dev0.whl"),
            "a nightly Ray would be installed",
        ),
        (lambda c: c.pop("head_start_ray_commands"), "Ray's default head_start_ray_commands"),
        (lambda c: c.pop("head_start_ray_commands"), "lacks RAY_AUTH_MODE=token"),
        (
            lambda c: replace(c, "worker_start_ray_commands", "RAY_AUTH_MODE=token", ""),
            "worker_start_ray_commands lacks RAY_AUTH_MODE=token",
        ),
        (
            lambda c: replace(c, "head_start_ray_commands", "RAY_USAGE_STATS_ENABLED=0", ""),
            "head_start_ray_commands lacks RAY_USAGE_STATS_ENABLED=0",
        ),
        (lambda c: c["head_start_ray_commands"].pop(), "starts Ray 0 times"),
        (
            lambda c: replace(c, "head_start_ray_commands", "127.0.0.1", "0.0.0.0"),
            "a port is opened to every address",
        ),
        (
            lambda c: replace(c, "head_start_ray_commands", "--dashboard-host=127.0.0.1", ""),
            "the dashboard is not kept to the head",
        ),
        (lambda c: replace(c, "head_start_ray_commands", "--num-cpus=0", ""), "on the head"),
        (lambda c: replace(c, "head_start_ray_commands", "v2=0", "v2=1"), "start no worker"),
        (lambda c: replace(c, "head_start_ray_commands", "6379", "6380"), "the head listens"),
        (
            lambda c: replace(c, "worker_start_ray_commands", "--node-ip-address=$3", ""),
            "worker_start_ray_commands leaves it to Ray",
        ),
    ],
)
def test_our_checks_refuse_a_broken_copy(
    config: Config, break_it: Callable[[Config], object], complaint: str
) -> None:
    break_it(config)
    assert any(complaint in mistake for mistake in mistakes(config))
