"""Packages taken apart, changed and put together again."""

import hashlib
import json
import zipfile

import safetensors.torch
import torch

from diffusion.errors import PackageError, PackageUnreachable

HEADER, WEIGHTS = "model.json", "weights.safetensors"


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(path, contents, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def hashed(contents):
    """Give a changed package the hashes of its new content, as a forger would."""
    header = json.loads(contents[HEADER])
    recipe = json.dumps(header["recipe"], separators=(",", ":"), sort_keys=True)
    header["recipe_sha256"] = hashlib.sha256(recipe.encode()).hexdigest()
    header["weights_sha256"] = hashlib.sha256(contents[WEIGHTS]).hexdigest()
    return {**contents, HEADER: json.dumps(header).encode()}


def unhashed(contents):
    """Take the hashes away, as if an earlier version had written the package."""
    header = json.loads(contents[HEADER])
    del header["recipe_sha256"], header["weights_sha256"]
    return {**contents, HEADER: json.dumps(header).encode()}


def with_header(*path, value):
    """Return a change of a package's members that sets one value of its header."""

    def changed(contents):
        header = json.loads(contents[HEADER])
        inner = header
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        return {**contents, HEADER: json.dumps(header).encode()}

    return changed


def with_member(name, content):
    return lambda contents: {**contents, name: content}


def with_parts(change):
    """Return a change of a package's members that changes the tensors, and hashes them."""

    def changed(contents):
        parts = change(safetensors.torch.load(contents[WEIGHTS]))
        return hashed({**contents, WEIGHTS: safetensors.torch.save(parts)})

    return changed


def bits(values):
    return values.contiguous().view(torch.int32)


def same_bits(first, second):
    assert list(first) == list(second)
    return all(torch.equal(bits(first[name]), bits(second[name])) for name in first)


def same_model(first, second):
    states = first.network.state_dict(), second.network.state_dict()
    return first.recipe == second.recipe and same_bits(*states)


def check_refusal(error):
    """Check that a refusal is a line that a terminal can show."""
    assert type(error) in (PackageError, PackageUnreachable)
    assert len(str(error)) <= 300
    assert str(error).isprintable()
