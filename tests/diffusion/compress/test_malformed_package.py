"""Packages put together wrongly: each is refused in one line, before it takes any memory."""

import json
import logging
from dataclasses import replace

import pytest
import torch
from repacking import (
    HEADER,
    WEIGHTS,
    check_refusal,
    hashed,
    members,
    same_model,
    unhashed,
    with_header,
    with_member,
    with_parts,
    write_members,
)

from diffusion.compress import package as package_module
from diffusion.compress.limits import MAX_PARAMETERS, check_parameters
from diffusion.compress.package import read_package, write_package
from diffusion.compress.prune import prune
from diffusion.errors import PackageError
from diffusion.recipe import CompressionConfig

FLOATS, CODES, MASK = "stem.bias", "stem.weight", "stem.weight.mask"
MIB = 2**20


@pytest.fixture
def package(tmp_path, tiny_recipe, tiny_network):
    """One whose weights are codes, many of them left out; biases are floats."""
    compression = CompressionConfig(
        prune_method="random", prune_ratio=0.5, quantization="weights8"
    )
    prune(tiny_network, compression)
    with torch.no_grad():
        tiny_network.out.bias.copy_(torch.tensor([0.0, 1.0, 0.0, 2.0]))  # half a byte of mask
    path = tmp_path / "model.pdm"
    write_package(path, replace(tiny_recipe, compression=compression), tiny_network)
    return path


def refusal(path):
    with pytest.raises(PackageError) as error:
        read_package(path)
    check_refusal(error.value)
    return str(error.value)


def changed_part(name, change):
    return with_parts(lambda parts: {**parts, name: change(parts[name])})


def without_part(name):
    return with_parts(lambda parts: {n: part for n, part in parts.items() if n != name})


def filled(value):
    return lambda part: torch.full_like(part, value)


def beyond_the_mask(mask):
    mask = mask.clone()
    mask[-1] |= 1
    return mask


NAN_PLANES = torch.tensor([[255], [255], [255], [127]], dtype=torch.uint8)

PARTS = {
    "floats of one element": (
        changed_part(FLOATS, lambda part: part[:, :1].contiguous()),
        r"stem\.bias is torch\.uint8 \[4, 1\]; allowed: torch\.uint8 \[4, 8\]",
    ),
    "floats in another order": (
        changed_part(FLOATS, lambda part: part.T.contiguous()),
        r"stem\.bias is torch\.uint8 \[8, 4\]",
    ),
    "floats as floats": (
        changed_part(FLOATS, lambda part: part.float()),
        r"stem\.bias is torch\.float32 \[4, 8\]",
    ),
    "floats that are NaN": (
        changed_part(FLOATS, lambda part: NAN_PLANES.expand(4, 8).contiguous()),
        r"stem\.bias has values that are not finite",
    ),
    "one code": (changed_part(CODES, lambda part: part[:1].clone()), r"is torch.uint8 \[1\]"),
    "a code too many": (changed_part(CODES, lambda part: part.repeat(2)), "is torch.uint8"),
    "signed codes": (changed_part(CODES, lambda part: part.to(torch.int8)), "torch.int8"),
    "one scale": (
        changed_part("stem.weight.scales", lambda part: part[:1].clone()),
        r"stem\.weight\.scales is torch\.float32 \[1\]; allowed: torch\.float32 \[2\]",
    ),
    "double scales": (
        changed_part("stem.weight.scales", lambda part: part.double()),
        "is torch.float64",
    ),
    "infinite scales": (
        changed_part("stem.weight.scales", filled(float("inf"))),
        r"stem\.weight has values that are not finite",
    ),
    "short codebook": (changed_part("codebook8", lambda part: part[:16].clone()), "codebook8 is"),
    "codebook of bytes": (changed_part("codebook8", lambda part: part.byte()), "codebook8 is"),
    "codebook without 0": (changed_part("codebook8", filled(0.5)), "codebook8 has no 0"),
    "codebook of NaN": (changed_part("codebook8", filled(float("nan"))), "codebook8 has no 0"),
    "short mask": (changed_part(MASK, lambda part: part[:1].clone()), "mask is"),
    "empty mask": (changed_part(MASK, filled(0)), r"allowed: torch.uint8 \[0\]"),
    "full mask": (changed_part(MASK, filled(255)), r"allowed: torch.uint8 \[288\]"),
    "no mask": (without_part(MASK), "missing, or is one too many"),
    "no floats": (without_part(FLOATS), "missing, or is one too many"),
    "no codebook": (without_part("codebook8"), "missing, or is one too many"),
    "one part more": (
        with_parts(lambda parts: {**parts, "more": torch.zeros(1)}),
        "'more' is missing, or is one too many",
    ),
    "mask of more elements": (
        changed_part("out.bias.mask", beyond_the_mask),
        r"out\.bias\.mask keeps more than 4 elements",
    ),
}


@pytest.mark.parametrize("case", PARTS)
def test_parts_that_are_not_the_layouts_are_refused(package, case):
    change, message = PARTS[case]
    write_members(package, change(members(package)))
    with pytest.raises(PackageError, match=message) as error:
        read_package(package)
    check_refusal(error.value)


def layout(**fields):
    return {"shape": [8], "bits": 32, "sparse": False, **fields}


LAYOUTS = {
    "another shape": layout(shape=[4, 2]),
    "shape of billions": layout(shape=[8_000_000_000]),
    "shape as fractions": layout(shape=[8.0]),
    "shape as truth": layout(shape=[True]),
    "shape as number": layout(shape=8),
    "other bits": layout(bits=16),
    "codes where floats are": layout(bits=8),
    "bits as fraction": layout(bits=32.0),
    "sparse as number": layout(sparse=0),
    "sparse as text": layout(sparse="no"),
    "field more": layout(colour="blue"),
    "field less": {"shape": [8], "bits": 32},
    "long text": layout(shape="x" * 100_000),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_layouts_that_are_not_the_networks_are_refused(package, case):
    change = with_header("tensors", FLOATS, value=LAYOUTS[case])
    write_members(package, change(members(package)))
    assert "tensor stem.bias is stored as" in refusal(package)


LARGE = {
    "wide": ({"widths": [8, 4_096]}, "parameters; allowed: at most 250000000"),
    "very wide": ({"widths": [8, 10**30]}, "cannot be read"),
    "deep": ({"widths": [8] * 2_000}, "network.widths is"),
}


@pytest.mark.parametrize("case", LARGE)
def test_large_networks_are_refused_before_they_are_built(package, case, monkeypatch):
    monkeypatch.setattr(package_module, "build_network", lambda *given: pytest.fail("built"))
    fields, message = LARGE[case]
    contents = members(package)
    for name, value in fields.items():
        contents = with_header("recipe", "network", name, value=value)(contents)
    contents = with_header("recipe", "data", "image_size", value=1_024)(contents)
    write_members(package, hashed(contents))
    assert message in refusal(package)


def test_many_classes_are_refused(package):
    change = with_header("recipe", "data", "num_classes", value=10**9)
    write_members(package, hashed(change(members(package))))
    assert "data.num_classes is 1000000000; allowed: from 1 to 10000" in refusal(package)


def test_what_could_not_be_read_is_not_written(tmp_path, tiny_recipe, tiny_network):
    check_parameters(MAX_PARAMETERS)
    with torch.device("meta"):
        tiny_network.more = torch.nn.Linear(MAX_PARAMETERS, 1)
    with pytest.raises(PackageError, match="is not written: its network has") as error:
        write_package(tmp_path / "model.pdm", tiny_recipe, tiny_network)
    check_refusal(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["weights_sha256", "recipe_sha256"])
@pytest.mark.parametrize("value", ["0" * 64, "", None, 0, ["x" * 1_000]])
def test_another_hash_is_refused(package, name, value):
    write_members(package, with_header(name, value=value)(members(package)))
    assert f"its {name} is" in refusal(package)


def test_changed_weights_are_refused_by_their_hash(package):
    contents = members(package)
    damaged = bytearray(contents[WEIGHTS])
    damaged[-1] ^= 1
    write_members(package, with_member(WEIGHTS, bytes(damaged))(contents))
    assert "its weights_sha256 is" in refusal(package)


def test_changed_recipe_is_refused_by_its_hash(package):
    change = with_header("recipe", "sampling", "steps", value=4)
    write_members(package, change(members(package)))
    assert "its recipe_sha256 is" in refusal(package)


def test_package_without_hashes_is_read_with_a_warning(package, caplog):
    with caplog.at_level(logging.WARNING):
        original = read_package(package)
        assert not caplog.records
        write_members(package, unhashed(members(package)))
        assert same_model(read_package(package), original)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert str(package) in record.getMessage()
    assert "cannot be verified" in record.getMessage()


def test_hashes_are_of_the_content(package):
    contents = members(package)
    assert json.loads(hashed(contents)[HEADER]) == json.loads(contents[HEADER])


HEADERS = {
    "nested": (b'{"format":1,"recipe":' + b"[" * 20 + b"]" * 20 + b',"tensors":{}}', "nested"),
    "nested without end": (b"[" * MIB, "nested"),
    "quotes without end": (b'"' + b'\\"' * (MIB // 4), "Unterminated string"),
    "long": (b" " * (MIB + 1), f"allowed: at most {MIB}"),
    "another field": (b'{"format":1,"recipe":{},"tensors":{},"more":{}}', "the fields"),
    "long number": (b'{"format":' + b"1" * 10_000 + b"}", "cannot be read"),
    "long version": (b'{"format":"' + b"x" * 10_000 + b'"}', "it has format"),
    "true": (b'{"format":true}', "it has format True"),
    "lines": (b'{"format":"a\\nb\\u001b[31m"}', "it has format"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_malformed_headers_are_refused(package, case):
    content, message = HEADERS[case]
    write_members(package, with_member(HEADER, content)(members(package)))
    assert message in refusal(package)


@pytest.mark.parametrize("length", [10, 200])
def test_refusals_of_long_paths_keep_both_ends(tmp_path, length):
    path = tmp_path / ("d" * length) / ("e" * length) / "model.pdm"
    message = refusal(path)
    assert message.startswith(f"package {tmp_path}"[:60])
    assert "cannot be read: [Errno 2] No such file" in message
    assert message.endswith("'" if length == 200 else f"{path}'")
