"""cluster.yaml passes Ray's own offline validation, and our checks of what Ray overlooks."""

from __future__ import annotations

import copy
import functools
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import ValidationError
from packaging.specifiers import SpecifierSet
from ray.autoscaler._private.util import prepare_config, validate_config

Config = dict[str, Any]

ROOT = Path(__file__).parents[1]
TOKEN = "~/.ray/auth_token"
# What ray/autoscaler/_private/aws reads of `provider`.
PROVIDER_KEYS = {
    *("type", "region", "availability_zone", "cache_stopped_nodes", "use_internal_ips"),
    *("security_group", "aws_credentials", "key_pair", "cloudwatch"),
}
# Arguments of EC2's run_instances that this file has a use for.
NODE_KEYS = {
    *("InstanceType", "ImageId", "SecurityGroupIds"),
    *("BlockDeviceMappings", "InstanceMarketOptions"),
}
TRACKED = ".cluster"  # where `make cluster-files` puts what git tracks
COMMAND_LISTS = (
    *("initialization_commands", "setup_commands", "head_setup_commands"),
    *("worker_setup_commands", "head_start_ray_commands", "worker_start_ray_commands"),
)


def pinned_ray() -> str:
    found = re.search(r"^ray==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert found, "constraints.txt does not pin ray"
    return found[1]


def accept(config: Config) -> Config:
    """Validate as `ray up` does before it contacts the cloud; return the config Ray would use."""
    prepared = prepare_config(copy.deepcopy(config))
    validate_config(prepared)
    return prepared


def mistakes(config: Config) -> Iterator[str]:
    """Yield a line for each mistake that Ray's validation lets through."""
    for key in config["provider"].keys() - PROVIDER_KEYS:
        yield f"unknown provider key {key}"
    for name, node_type in config["available_node_types"].items():
        for key in node_type["node_config"].keys() - NODE_KEYS:
            yield f"unknown node_config key {key} in {name}"
        if "ImageId" not in node_type["node_config"]:
            yield f"{name} would take Ray's default machine image"
        if not node_type["node_config"].get("SecurityGroupIds"):
            yield f"{name} would take Ray's security group, which opens SSH to the world"
    yield from _file_mistakes(config)
    yield from _image_mistakes(config["docker"]["image"])
    yield from _command_mistakes(config)


def _file_mistakes(config: Config) -> Iterator[str]:
    for source in config["file_mounts"].values():
        if source not in (TRACKED, TOKEN):
            yield f"file_mounts source {source} may hold what git does not track"
    if config["file_mounts"].get(TOKEN) != TOKEN:
        yield "the token file is not mounted"


def _image_mistakes(image: str) -> Iterator[str]:
    name, _, digest = image.partition("@sha256:")
    if not re.fullmatch(r"[0-9a-f]{64}|digest-REPLACE", digest):
        yield f"image {image} is not named by its digest"
    found = re.fullmatch(r"rayproject/ray:([\d.]+)-py(\d)(\d+)-gpu", name)
    if found is None:
        yield f"image {image} does not name its Ray, Python and GPU variant"
        return
    if found[1] != pinned_ray():
        yield f"image holds Ray {found[1]}, constraints.txt pins {pinned_ray()}"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    if f"{found[2]}.{found[3]}" not in SpecifierSet(project["requires-python"]):
        yield f"image holds Python {found[2]}.{found[3]}, not {project['requires-python']}"


def _command_mistakes(config: Config) -> Iterator[str]:
    for name in COMMAND_LISTS:
        if name not in config:
            yield f"Ray's default {name} would run"
    commands = {name: accept(config)[name] for name in COMMAND_LISTS}
    for name in ("head_start_ray_commands", "worker_start_ray_commands"):
        starts = [command for command in commands[name] if "ray start" in command]
        if len(starts) != 1:
            yield f"{name} starts Ray {len(starts)} times"
        for setting in ("RAY_AUTH_MODE=token", "RAY_USAGE_STATS_ENABLED=0"):
            if not all(setting in start.partition("ray start")[0] for start in starts):
                yield f"{name} lacks {setting}"
    if not any(
        "--dashboard-host=127.0.0.1" in line for line in commands["head_start_ray_commands"]
    ):
        yield "the dashboard is not kept to the head"
    install = " ".join(config.get("setup_commands", []))
    if not ("-c constraints.txt" in install and "-e ." in install and "ray[default]" in install):
        yield "the project is not installed with its constraints and ray[default]"
    text = "\n".join(command for name in COMMAND_LISTS for command in commands[name])
    if "0.0.0.0" in text:
        yield "a port is opened to every address"
    if "ray-wheels" in text or ".dev0" in text:
        yield "a nightly Ray would be installed"
    regions = set(re.findall(r"fs-\w+\.efs\.([\w-]+)\.amazonaws\.com", text))
    if regions != {config["provider"]["region"]}:
        yield f"the file system is mounted from {sorted(regions)}"
    if "127.0.0.1:/ /mnt/efs" not in text or "verifyChain = yes" not in text:
        yield "the file system is mounted without TLS"


@pytest.fixture
def config() -> Config:
    return yaml.safe_load((ROOT / "cluster.yaml").read_text())


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
    placeholders = re.findall(r"\w+-REPLACE", (ROOT / "cluster.yaml").read_text())
    documented = (ROOT / "docs" / "cluster.md").read_text()
    assert [name for name in placeholders if f"s/{name}/" not in documented] == []


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
    break_it(config)
    with pytest.raises(error):
        accept(config)


def _replace(config: Config, name: str, old: str, new: str) -> None:
    config[name] = [command.replace(old, new) for command in config[name]]


@pytest.mark.parametrize(
    ("break_it", "complaint"),
    [
        (lambda c: c["provider"].update(regoin="us-east-1"), "unknown provider key regoin"),
        (
            lambda c: c["available_node_types"]["head"]["node_config"].update(InstanceTyp="m5"),
            "unknown node_config key InstanceTyp in head",
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
            lambda c: _replace(c, "initialization_commands", "127.0.0.1:/", "fs-1:/"),
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
        (lambda c: _replace(c, "setup_commands", "-c constraints.txt", ""), "its constraints"),
        (
            lambda c: _replace(c, "worker_start_ray_commands", "RAY_AUTH_MODE=token", ""),
            "worker_start_ray_commands lacks RAY_AUTH_MODE=token",
        ),
        (
            lambda c: _replace(c, "head_start_ray_commands", "127.0.0.1", "0.0.0.0"),
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
