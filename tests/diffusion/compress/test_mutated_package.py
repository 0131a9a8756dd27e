"""Packages changed at random and packed again: none is read as another model.

What is changed is what an archive's own check sum cannot see, since it is made anew. The slow
tests read 10,000 packages, of which their counts say what became.
"""

import json
import random
import zipfile
from collections import Counter
from dataclasses import replace

import pytest
import torch
from bounds import at_most
from repacking import (
    CONTENT,
    HEADER,
    check_refusal,
    hashed,
    members,
    same_model,
    sections,
    with_sections,
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
    "8 bits": {"quantization": "linear8"},
    "sparse 8 bits": {"quantization": "weights8", **PRUNED},
    "steps": {"quantization": "uniform", "quantization_step": 0.7},
    "sparse steps": {"quantization": "uniform", "quantization_step": 1.2, **PRUNED},
    "fine steps": {"quantization": "uniform", "quantization_step": 0.002},
}
SECONDS, MORE_BYTES = 20, 2**28  # Within which a package of some kilobytes is read or refused.
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


def flip_content(draw, contents, other):
    return {**contents, CONTENT: flipped(draw, contents[CONTENT])}


def flipped(draw, content):
    changed = bytearray(content)
    for _ in range(draw.randint(1, 4) if content else 0):
        changed[draw.randrange(len(changed))] ^= draw.randrange(1, 256)
    return bytes(changed)


def cut_content(draw, contents, other):
    content = contents[CONTENT]
    length = draw.randrange(len(content) + 100)
    return {**contents, CONTENT: content[:length] + bytes(max(length - len(content), 0))}


def change_parts(draw, contents, other):
    """Flip, shorten, lengthen, empty or exchange what is deflated or range coded."""
    theirs = dict(zip(("deflated", "ranged"), sections(other), strict=True))
    which = draw.choice(["deflated", "ranged"])
    change = draw.choice(
        [
            lambda part: flipped(draw, part),
            lambda part: part[: draw.randrange(len(part) + 1)],
            lambda part: part[: 4 * draw.randrange(len(part) // 4 + 1)],
            lambda part: part + bytes(4 * draw.randint(1, 4)),
            lambda part: draw.randbytes(len(part)),
            lambda part: b"\xff" * len(part),
            lambda part: b"",
            lambda part: theirs[which],
        ]
    )
    return with_sections(**{which: change})(contents)


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
        return {HEADER: contents[CONTENT], CONTENT: contents[HEADER]}
    name = draw.choice([HEADER, CONTENT])
    return {**contents, name: other[name]}


# Parts that are changed have a hash that fits, so that they are a forger's.
ACCIDENTS = (flip_content, cut_content, change_header, swap_members)
CHANGES = (*ACCIDENTS, change_parts)


def outcome(path, original):
    """Read a package: "refused", "same", "another" or what else a model must not be."""
    try:
        with at_most(SECONDS, MORE_BYTES):
            model = read_package(path)
    except PackageError as error:
        check_refusal(error)
        return "refused"
    finite = all(bool(value.isfinite().all()) for value in model.network.state_dict().values())
    if not finite:
        return "not finite"
    return "same" if same_model(model, original) else "another"


def outcomes(packages, path, count, seed, changes, then=lambda contents: contents):
    """Count what becomes of so many changed packages."""
    draw = random.Random(seed)
    found = Counter()
    for number in range(count):
        (contents, original), (other, _) = draw.sample(packages, 2)
        changed = changes[number % len(changes)](draw, contents, other)
        write_members(path, then(changed), zipfile.ZIP_STORED)
        found[outcome(path, original)] += 1
    return found


@pytest.mark.parametrize("count", [300, pytest.param(7_000, marks=pytest.mark.slow)])
def test_no_changed_package_is_read_as_another_model(packages, tmp_path, count):
    found = outcomes(packages, tmp_path / "model.pdm", count, seed=0, changes=ACCIDENTS)
    assert found.keys() <= {"refused", "same"}
    assert found["refused"] >= 0.93 * count, found


def as_forged(contents):
    try:
        return hashed(contents)
    except (ValueError, KeyError, TypeError, AttributeError):
        return contents


@pytest.mark.parametrize("count", [100, pytest.param(3_000, marks=pytest.mark.slow)])
def test_forged_hashes_make_no_broken_model(packages, tmp_path, count):
    path = tmp_path / "model.pdm"
    found = outcomes(packages, path, count, seed=2, changes=CHANGES, then=as_forged)
    assert found.keys() <= {"refused", "same", "another"}
    assert found["refused"] >= 0.5 * count, found
