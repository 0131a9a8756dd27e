"""Packages changed at random and packed again: none is read as another model.

What is changed is what an archive's own check sum cannot see, since it is made anew. The slow
tests read 10,000 packages, of which their counts say what became.
"""

import json
import logging
import random
from collections import Counter
from dataclasses import replace

import pytest
import safetensors.torch
import torch
from repacking import (
    HEADER,
    WEIGHTS,
    check_refusal,
    hashed,
    members,
    same_model,
    unhashed,
    write_members,
)

from diffusion.compress.package import read_package, write_package
from diffusion.compress.prune import prune
from diffusion.errors import PackageError
from diffusion.networks import build_network
from diffusion.recipe import CompressionConfig

PRUNED = {"prune_method": "l1", "prune_ratio": 0.6}
COMPRESSIONS = {
    "floats": {},
    "sparse floats": PRUNED,
    "4 bits": {"quantization": "linear4"},
    "sparse 8 bits": {"quantization": "weights8", **PRUNED},
}
VALUES = (0, 1, -1, 2, 3, 4, 7, 8, 16, 32, 64, 2**31, 2**63, 10**30, 0.5, 1.0, 1e300, 1e-9)
VALUES += (None, True, False, "", "none", "l1", "linear8", "x" * 1_000, "\n", [], [1], {}, [[]])


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Threads would wait for each other longer than they work on networks so small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def packages(tmp_path_factory, tiny_recipe):
    """Members of packages of one network, each compressed in another way, with the models."""
    small = replace(tiny_recipe, network=replace(tiny_recipe.network, widths=(8,)))
    path = tmp_path_factory.mktemp("packages") / "model.pdm"
    found = []
    for fields in COMPRESSIONS.values():
        recipe = replace(small, compression=CompressionConfig(**fields))
        network = build_network(recipe.network, recipe.data, seed=1)
        prune(network, recipe.compression)
        write_package(path, recipe, network)
        found.append((members(path), read_package(path)))
    return found


def flip_weights(draw, contents, other):
    changed = bytearray(contents[WEIGHTS])
    for _ in range(draw.randint(1, 4)):
        changed[draw.randrange(len(changed))] ^= draw.randrange(1, 256)
    return {**contents, WEIGHTS: bytes(changed)}


def cut_weights(draw, contents, other):
    content = contents[WEIGHTS]
    length = draw.randrange(len(content) + 100)
    return {**contents, WEIGHTS: content[:length] + bytes(max(length - len(content), 0))}


def change_parts(draw, contents, other):
    """Exchange, widen, shorten, shift or forget a part of the weights."""
    parts = safetensors.torch.load(contents[WEIGHTS])
    first, second = draw.sample(sorted(parts), 2)
    part = parts[first]
    parts[first] = draw.choice(
        [
            parts[second],
            part.double(),
            part.to(torch.int8),
            part.flatten()[:1].clone(),
            part[..., :1].clone(),
            torch.cat([part, part]),
            part.roll(1),
            part.flatten(),
            torch.full_like(part, float("nan") if part.is_floating_point() else 255),
        ]
    ).clone()
    if draw.random() < 0.2:
        del parts[second]
    return {**contents, WEIGHTS: safetensors.torch.save(parts)}


def places(values, inside=()):
    """List the keys that lead to each value of nested objects and lists."""
    keys = range(len(values)) if isinstance(values, list) else list(values)
    found = []
    for key in keys:
        found.append((*inside, key))
        if isinstance(values[key], dict | list):
            found += places(values[key], (*inside, key))
    return found


def change_header(draw, contents, other):
    """Set, forget or rename a field."""
    header = json.loads(contents[HEADER])
    part = draw.choice(list(header))  # each as often, however many fields it has
    choices = [place for place in places(header) if place[0] == part]
    *inside, key = draw.choice(choices)
    values = header
    for step in inside:
        values = values[step]
    kind = draw.choice(["set", "set", "set", "forget", "rename"])
    if kind == "rename" and isinstance(values, dict):
        values[f"{key}2"] = values.pop(key)
    elif kind == "forget":
        del values[key]
    else:
        values[key] = draw.choice(VALUES)
    return {**contents, HEADER: json.dumps(header).encode()}


def swap_members(draw, contents, other):
    """Take one member of another package, or give each the other's content."""
    if draw.random() < 0.1:
        return {HEADER: contents[WEIGHTS], WEIGHTS: contents[HEADER]}
    name = draw.choice([HEADER, WEIGHTS])
    return {**contents, name: other[name]}


CHANGES = (flip_weights, cut_weights, change_parts, change_header, swap_members)


def outcome(path, original, caplog):
    """Read a package: "refused", "same", or "another", said to be unverified where it is."""
    caplog.clear()
    try:
        model = read_package(path)
    except PackageError as error:
        check_refusal(error)
        return "refused"
    finite = all(bool(value.isfinite().all()) for value in model.network.state_dict().values())
    if not finite:
        return "not finite"
    kind = "same" if same_model(model, original) else "another"
    return f"{kind}, unverified" if caplog.records else kind


def outcomes(packages, path, caplog, count, seed, then=lambda contents: contents):
    """Count what becomes of so many changed packages."""
    caplog.set_level(logging.WARNING)
    draw = random.Random(seed)
    found = Counter()
    for number in range(count):
        (contents, original), (other, _) = draw.sample(packages, 2)
        changed = CHANGES[number % len(CHANGES)](draw, contents, other)
        write_members(path, then(changed))
        found[outcome(path, original, caplog)] += 1
    return found


@pytest.mark.parametrize("count", [300, pytest.param(7_000, marks=pytest.mark.slow)])
def test_no_changed_package_is_read_as_another_model(packages, tmp_path, caplog, count):
    found = outcomes(packages, tmp_path / "model.pdm", caplog, count, seed=0)
    assert found.keys() <= {"refused", "same", "same, unverified"}
    assert found["refused"] >= 0.93 * count, found


def as_of_an_earlier_version(contents):
    try:
        return unhashed(contents)
    except (ValueError, KeyError, TypeError):
        return contents


def as_forged(contents):
    try:
        return hashed(contents)
    except (ValueError, KeyError, TypeError):
        return contents


@pytest.mark.parametrize("count", [100, pytest.param(1_500, marks=pytest.mark.slow)])
def test_without_hashes_every_model_is_whole_and_said_to_be_unverified(
    packages, tmp_path, caplog, count
):
    path = tmp_path / "model.pdm"
    found = outcomes(packages, path, caplog, count, seed=1, then=as_of_an_earlier_version)
    assert found.keys() <= {"refused", "same", "same, unverified", "another, unverified"}
    assert found["another, unverified"] > 0


@pytest.mark.parametrize("count", [100, pytest.param(1_500, marks=pytest.mark.slow)])
def test_forged_hashes_make_no_broken_model(packages, tmp_path, caplog, count):
    found = outcomes(packages, tmp_path / "model.pdm", caplog, count, 2, then=as_forged)
    assert found.keys() <= {"refused", "same", "same, unverified", "another"}
