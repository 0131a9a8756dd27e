"""cluster.yaml passes Ray's own offline validation, and our checks of what Ray overlooks."""

from __future__ import annotations

import functools
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cluster_checks import (
    ROOT,
    TOKEN,
    TRACKED,
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

# What ray/autoscaler/_private/aws reads of `provider`.
PROVIDER = leaves(
    *("type", "region", "availability_zone", "cache_stopped_nodes", "use_internal_ips"),
    *("security_group", "aws_credentials", "key_pair", "cloudwatch"),
)
# Arguments of EC2's run_instances that this file has a use for.
NODE = leaves(
    *("InstanceType", "ImageId", "SecurityGroupIds"),
    *("BlockDeviceMappings", "InstanceMarketOptions"),
)


def mistakes(config: Config) -> Iterator[str]:
    """Yield a line for each mistake that Ray's validation lets through."""
    yield from launch_mistakes(config, PROVIDER, NODE)
    for name, node_type in config["available_node_types"].items():
        if "ImageId" not in node_type["node_config"]:
            yield f"{name} would take Ray's default machine image"
        if not node_type["node_config"].get("SecurityGroupIds"):
            yield f"{name} would take Ray's security group, which opens SSH to the world"
    text = commands_text(config)
    regions = set(re.findall(r"fs-\w+\.efs\.([\w-]+)\.amazonaws\.com", text))
    if regions != {config["provider"]["region"]}:
        yield f"the file system is mounted from {sorted(regions)}"
    if "127.0.0.1:/ /mnt/efs" not in text or "verifyChain = yes" not in text:
        yield "the file system is mounted without TLS"


@pytest.fixture
def config() -> Config:
    return load("cluster.yaml")


def test_ray_accepts_the_file(config: Config) -> None:
    prepared = accept(config)
    assert prepared["setup_commands"] == config["setup_commands"]
    assert prepared["head_start_ray_commands"] == config["head_start_ray_commands"]
    assert prepared["worker_start_ray_commands"] == config["worker_start_ray_commands"]


def test_nothing_is_wrong_that_ray_does_not_see(config: Config) -> None:
    assert list(mistakes(config)) == []


def test_trials_run_on_gpu_workers_only(config: Config) -> None:
    types = config["available_node_types"]
    head = types.pop(config["head_node_type"])
    assert head["resources"] == {"CPU": 0}
    assert all(worker["resources"]["GPU"] == 1 for worker in types.values())
    assert sum(worker["max_workers"] for worker in types.values()) == config["max_workers"]
    spot = [
        name for name, worker in types.items() if "InstanceMarketOptions" in worker["node_config"]
    ]
    assert [types[name]["min_workers"] for name in spot] == [0]


def test_data_lies_where_every_node_sees_it(config: Config) -> None:
    from diffusion.data import DATA_DIR_VARIABLE

    options = config["docker"]["run_options"]
    assert "-v /mnt/efs:/mnt/efs" in options
    assert f"-e {DATA_DIR_VARIABLE}=/mnt/efs/data" in options


def test_what_is_copied_is_what_git_tracks(config: Config, tmp_path: Path) -> None:
    assert config["file_mounts"]["~/paretodiff"] == TRACKED
    if not (ROOT / ".git").exists():
        pytest.skip("no git repository here, so that nothing says what is tracked")
    clone = tmp_path / "clone"
    run = functools.partial(subprocess.run, check=True, capture_output=True, text=True)
    run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)])
    (clone / "secret.txt").write_text("not tracked")
    run(["make", "-C", str(clone), "cluster-files"])
    copied = [p for p in (clone / TRACKED).rglob("*") if p.is_file() or p.is_symlink()]
    found = {path.relative_to(clone / TRACKED).as_posix() for path in copied}
    assert found == set(run(["git", "-C", str(clone), "ls-files"]).stdout.splitlines())


def test_every_value_to_fill_in_is_explained() -> None:
    assert unexplained("cluster.yaml", "docs/cluster/aws.md") == []


@pytest.mark.parametrize(
    ("break_it", "error"),
    [
        (lambda config: config.update(initial_workers=2), ValidationError),
        (lambda config: config["docker"].pop("container_name"), AssertionError),
        (lambda config: config.update(head_node_type="haed"), ValueError),
        (lambda config: config.update(max_workers=0), ValueError),
    ],
    ids=["unknown key", "no container name", "no such head", "too few workers"],
)
def test_ray_refuses_a_broken_copy(
    config: Config, break_it: Callable[[Config], object], error: type[Exception]
) -> None:
    refused_by_ray(config, break_it, error)


@pytest.mark.parametrize(
    ("break_it", "complaint"),
    [
        (lambda c: c["provider"].update(regoin="us-east-1"), "unknown key regoin in provider"),
        (
            lambda c: c["available_node_types"]["head"]["node_config"].update(InstanceTyp="m5"),
            "unknown key InstanceTyp in head.node_config",
        ),
        (
            lambda c: c["available_node_types"]["gpu_spot"]["node_config"].pop("ImageId"),
            "gpu_spot would take Ray's default machine image",
        ),
        (lambda c: c["file_mounts"].update({"~/x": "."}), "may hold what git does not track"),
        (
            lambda c: c["available_node_types"]["head"]["node_config"].pop("SecurityGroupIds"),
            "head would take Ray's security group",
        ),
        (
            lambda c: c["docker"].update(image=f"rayproject/ray:{pinned_ray()}-py311-gpu"),
            "is not named by its digest",
        ),
        (
            lambda c: replace(c, "initialization_commands", "127.0.0.1:/", "fs-1:/"),
            "without TLS",
        ),
        (lambda c: c["file_mounts"].pop(TOKEN), "the token file is not mounted"),
        (lambda c: c["docker"].update(image="rayproject/ray:latest"), "does not name its Ray"),
        (lambda c: c["docker"].update(image="rayproject/ray:2.9.3-py311-gpu"), "holds Ray 2.9.3"),
        (
            lambda c: c["docker"].update(image=f"rayproject/ray:{pinned_ray()}-py310-gpu"),
            "holds Python 3.10",
        ),
        (lambda c: c.pop("setup_commands"), "a nightly Ray would be installed"),
        (lambda c: c.pop("head_setup_commands"), "Ray's default head_setup_commands would run"),
        (lambda c: replace(c, "setup_commands", "-c constraints.txt", ""), "its constraints"),
        (
            lambda c: replace(c, "worker_start_ray_commands", "RAY_AUTH_MODE=token", ""),
            "worker_start_ray_commands lacks RAY_AUTH_MODE=token",
        ),
        (
            lambda c: replace(c, "head_start_ray_commands", "127.0.0.1", "0.0.0.0"),
            "a port is opened to every address",
        ),
        (lambda c: c["provider"].update(region="eu-west-1"), "is mounted from ['us-west-2']"),
    ],
)
def test_our_checks_refuse_a_broken_copy(
    config: Config, break_it: Callable[[Config], object], complaint: str
) -> None:
    break_it(config)
    assert any(complaint in mistake for mistake in mistakes(config))
