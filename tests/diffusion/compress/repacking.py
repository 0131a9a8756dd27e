"""Packages of format 2 taken apart, changed and put together again."""

import hashlib
import json
import zipfile
import zlib

import torch

from diffusion.errors import PackageError, PackageUnreachable

HEADER, CONTENT = "model.json", "weights.bin"


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(path, contents, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def hashed(contents):
    """Give a changed package the hash of its new content, as a forger would."""
    header = json.loads(contents[HEADER])
    header.pop("sha256", None)
    text = json.dumps(header, separators=(",", ":"), sort_keys=True)
    found = hashlib.sha256(text.encode() + contents[CONTENT]).hexdigest()
    return {**contents, HEADER: json.dumps({**header, "sha256": found}).encode()}


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


def with_line(name, change):
    """Return a change of a package's members that changes a tensor's line, and hashes it."""

    def changed(contents):
        header = json.loads(contents[HEADER])
        lines = header["tensors"]
        header["tensors"] = [change(line) if line[0] == name else line for line in lines]
        return hashed({**contents, HEADER: json.dumps(header).encode()})

    return changed


def line_of(contents, name):
    (line,) = [line for line in json.loads(contents[HEADER])["tensors"] if line[0] == name]
    return line


def sections(contents):
    """Return what is deflated, inflated again, and what is range coded."""
    first, _ = json.loads(contents[HEADER])["bytes"]
    return zlib.decompress(contents[CONTENT][:first]), contents[CONTENT][first:]


def with_sections(deflated=lambda part: part, ranged=lambda part: part, pack=zlib.compress):
    """Return a change of a package's members that changes the two parts, and hashes them."""

    def changed(contents):
        plain, words = sections(contents)
        parts = pack(deflated(plain)), ranged(words)
        contents = with_header("bytes", value=[len(part) for part in parts])(contents)
        return hashed({**contents, CONTENT: b"".join(parts)})

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
