"""What tests of the cluster files share: Ray's own validation, and checks of what it overlooks."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from ray.autoscaler._private.util import prepare_config, validate_config

Config = dict[str, Any]

ROOT = Path(__file__).parents[2]
TOKEN = "~/.ray/auth_token"
TRACKED = ".cluster"  # where `make cluster-files` puts what git tracks
COMMAND_LISTS = (
    *("initialization_commands", "setup_commands", "head_setup_commands"),
    *("worker_setup_commands", "head_start_ray_commands", "worker_start_ray_commands"),
)
START_LISTS = COMMAND_LISTS[-2:]
# A digest, or what stands for one until it is filled in.
DIGEST = r"[0-9a-f]{64}|digest-REPLACE|\$\{DIGEST\}"


def load(path: str) -> Config:
    return yaml.safe_load((ROOT / path).read_text())


def pinned_ray() -> str:
    found = re.search(r"^ray==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert found, "constraints.txt does not pin ray"
    return found[1]


def accept(config: Config) -> Config:
    """Validate as `ray up` does before it contacts the cloud; return the config Ray would use."""
    prepared = prepare_config(copy.deepcopy(config))
    validate_config(prepared)
    return prepared


def leaves(*names: str) -> dict[str, None]:
    """Return a shape of keys whose values may be anything."""
    return dict.fromkeys(names)


def shape_mistakes(value: Any, shape: Any, where: str) -> Iterator[str]:
    """Yield a line for each part of a value that has another shape.

    Args:
        value: parsed YAML.
        shape: a dict of the allowed keys and their values' shapes, a list of the one shape that
            all items have, or None for anything.
        where: the value's name.
    """
    if shape is None:
        return
    if not isinstance(value, type(shape)):
        yield f"{where} is no {'list' if isinstance(shape, list) else 'mapping'}"
    elif isinstance(shape, list):
        for item in value:
            yield from shape_mistakes(item, shape[0], where)
    else:
        for key in value:
            if key not in shape:
                yield f"unknown key {key} in {where}"
            else:
                yield from shape_mistakes(value[key], shape[key], f"{where}.{key}")


def launch_mistakes(config: Config, provider: Any, node: Any) -> Iterator[str]:
    """Yield a line for each mistake in a file for `ray up` that Ray's validation lets through.

    Args:
        config: the parsed file.
        provider: the shape of its `provider`.
        node: the shape of each `node_config`.
    """
    yield from shape_mistakes(config["provider"], provider, "provider")
    for name, node_type in config["available_node_types"].items():
        yield from shape_mistakes(node_type["node_config"], node, f"{name}.node_config")
    yield from image_mistakes(config["docker"]["image"], "rayproject/ray")
    yield from common_mistakes(config)


def common_mistakes(config: Config) -> Iterator[str]:
    """Yield a line for each mistake in files and commands, as any provider takes them."""
    yield from _file_mistakes(config)
    yield from _command_mistakes(config)


def _file_mistakes(config: Config) -> Iterator[str]:
    for source in config["file_mounts"].values():
        if source not in (TRACKED, TOKEN):
            yield f"file_mounts source {source} may hold what git does not track"
    if config["file_mounts"].get(TOKEN) != TOKEN:
        yield "the token file is not mounted"


def image_mistakes(image: str, repository: str) -> Iterator[str]:
    """Yield a line for each way in which an image is not the pinned one of a repository."""
    name, _, digest = image.partition("@sha256:")
    if not re.fullmatch(DIGEST, digest):
        yield f"image {image} is not named by its digest"
    found = re.fullmatch(rf"{repository}:([\d.]+)-py(\d)(\d+)-gpu", name)
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
    prepared = accept(config)
    for name in START_LISTS:
        starts = [command for command in prepared[name] if "ray start" in command]
        if len(starts) != 1:
            yield f"{name} starts Ray {len(starts)} times"
        for setting in ("RAY_AUTH_MODE=token", "RAY_USAGE_STATS_ENABLED=0"):
            if not all(setting in start.partition("ray start")[0] for start in starts):
                yield f"{name} lacks {setting}"
    if not any(
        "--dashboard-host=127.0.0.1" in line for line in prepared["head_start_ray_commands"]
    ):
        yield "the dashboard is not kept to the head"
    install = " ".join(config.get("setup_commands", []))
    if not ("-c constraints.txt" in install and "-e ." in install and "ray[default]" in install):
        yield "the project is not installed with its constraints and ray[default]"
    text = commands_text(config)
    if "0.0.0.0" in text:
        yield "a port is opened to every address"
    if "ray-wheels" in text or ".dev0" in text:
        yield "a nightly Ray would be installed"


def commands_text(config: Config) -> str:
    """Return all commands that would run, Ray's defaults included."""
    prepared = accept(config)
    return "\n".join(command for name in COMMAND_LISTS for command in prepared[name])


def unexplained(path: str, page: str) -> list[str]:
    """Return the values to fill in of a file whose page does not fill them in."""
    placeholders = re.findall(r"[\w-]+-REPLACE", (ROOT / path).read_text())
    text = (ROOT / page).read_text()
    return [name for name in placeholders if not re.search(rf"s[/#]{name}[/#]", text)]


def replace(config: Config, name: str, old: str, new: str) -> None:
    """Replace a text in a list of commands that holds it."""
    assert any(old in command for command in config[name]), f"{name} holds no {old}"
    config[name] = [command.replace(old, new) for command in config[name]]


def refused_by_ray(
    config: Config, break_it: Callable[[Config], object], error: type[Exception]
) -> None:
    """Assert that Ray's own validation refuses a broken copy."""
    break_it(config)
    with pytest.raises(error):
        accept(config)
