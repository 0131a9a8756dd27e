"""Packages put together wrongly: each is refused in one line, before it takes any memory."""

import json
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from repacking import (
    CONTENT,
    HEADER,
    check_refusal,
    hashed,
    line_of,
    members,
    with_header,
    with_line,
    with_member,
    with_sections,
    write_members,
)

from diffusion.compress.limits import MAX_PARAMETERS, check_parameters
from diffusion.compress.package import read_package, write_package
from diffusion.compress.prune import prune
from diffusion.compress.uniform import covered_names
from diffusion.errors import PackageError
from diffusion.recipe import CompressionConfig, Recipe

MIB = 2**20
QUANTIZATIONS = {
    "codes": {"prune_method": "random", "prune_ratio": 0.5, "quantization": "weights8"},
    "steps": {"quantization": "uniform", "quantization_step": 0.5},
}


def written(path, recipe, network, fields):
    compression = CompressionConfig(**fields)
    if fields.get("prune_method"):
        prune(network, compression)
    with torch.no_grad():
        network.out.bias.copy_(torch.tensor([0.0, 1.0, 0.0, 2.0]))  # half a byte of mask
    write_package(path, replace(recipe, compression=compression), network)
    return path


@pytest.fixture
def package(tmp_path, tiny_recipe, tiny_network):
    """One whose weights are codes, many of them left out; biases are floats."""
    return written(tmp_path / "model.pdm", tiny_recipe, tiny_network, QUANTIZATIONS["codes"])


@pytest.fixture
def uniform_package(tmp_path, tiny_recipe, tiny_network):
    """One whose weights are multiples of steps, range coded; biases are of 16 bits."""
    return written(tmp_path / "model.pdm", tiny_recipe, tiny_network, QUANTIZATIONS["steps"])


def refusal(path):
    with pytest.raises(PackageError) as error:
        read_package(path)
    check_refusal(error.value)
    return str(error.value)


def field(name, number, *values):
    """Return a change of a tensor's line from one of its values on."""
    return with_line(name, lambda line: [*line[:number], *values, *line[number + len(values) :]])


def cut(name, length):
    return with_line(name, lambda line: line[:length])


def grown(name, *values):
    return with_line(name, lambda line: [*line, *values])


PLAIN_LINES = {
    "another name": (field("stem.bias", 0, "stem.bios"), "is described as"),
    "name null": (field("stem.bias", 0, None), "is described as"),
    "another shape": (field("stem.bias", 1, [4, 2]), "is described as"),
    "shape of billions": (field("stem.bias", 1, [8_000_000_000]), "is described as"),
    "shape as fractions": (field("stem.bias", 1, [8.0]), "is described as"),
    "shape as truth": (field("stem.bias", 1, [True]), "is described as"),
    "shape as number": (field("stem.bias", 1, 8), "is described as"),
    "long shape": (field("stem.bias", 1, "x" * 100_000), "is described as"),
    "16 bits": (field("stem.bias", 2, "float16"), "is stored as"),
    "floats as codes": (field("stem.bias", 2, "code8"), "is stored as"),
    "codes as floats": (field("stem.weight", 2, "float32"), "is stored as"),
    "codes of 4 bits": (field("stem.weight", 2, "code4"), "is stored as"),
    "codes as symbols": (field("stem.weight", 2, "range"), "is stored as"),
    "coding null": (field("stem.bias", 2, None), "is stored as"),
    "coding a list": (field("stem.bias", 2, []), "is stored as"),
    "keeps -1": (field("stem.weight", 3, -1), "keeps -1; allowed: from 0 to"),
    "keeps more": (field("stem.weight", 3, 10**30), "keeps 1000"),
    "keeps a fraction": (field("stem.weight", 3, 3.0), "keeps 3.0"),
    "keeps truth": (field("stem.weight", 3, True), "keeps True"),
    "keeps text": (field("stem.weight", 3, "3"), "keeps '3'"),
    "one kept less": (with_line("stem.weight", lambda x: [*x[:3], x[3] - 1]), "is torch.uint8"),
    "one kept more": (with_line("stem.weight", lambda x: [*x[:3], x[3] + 1]), "is torch.uint8"),
    "all kept": (field("stem.weight", 3, None), "cannot be read"),
    "one field less": (cut("stem.bias", 3), "is stored as"),
    "one field more": (grown("stem.bias", 1), "is stored as"),
    "nothing": (cut("stem.bias", 0), "is described as"),
}
UNIFORM_LINES = {
    "floats": (field("stem.weight", 2, "float32"), "is stored as"),
    "codes": (cut("stem.weight", 3), "is stored as"),
    "coding null": (field("stem.weight", 2, None), "is stored as"),
    "bias by ranges": (field("stem.bias", 2, "range"), "is stored as"),
    "mantissa of 15": (field("stem.weight", 3, 15), "step 15; allowed: from 16 to 31"),
    "mantissa of 32": (field("stem.weight", 3, 32), "step 32; allowed: from 16 to 31"),
    "mantissa true": (field("stem.weight", 3, True), "step True; allowed: from 16 to 31"),
    "mantissa a fraction": (field("stem.weight", 3, 16.0), "step 16.0"),
    "mantissa a text": (field("stem.weight", 3, "16"), "step '16'"),
    "exponent of -141": (field("stem.weight", 4, -141), "exponent -141; allowed: from -140"),
    "exponent of 101": (field("stem.weight", 4, 101), "exponent 101; allowed: from -140 to 100"),
    "exponent null": (field("stem.weight", 4, None), "exponent None"),
    "another kind": (field("stem.weight", 5, "laplace"), "kind is 'laplace'"),
    "kind null": (field("stem.weight", 5, None), "allowed: whole numbers"),
    "kind a list": (field("stem.weight", 5, []), "allowed: whole numbers"),
    "constant of several": (with_line("stem.weight", lambda x: [*x[:5], "constant", -1, 1]), "'c"),
    "range of one": (with_line("stem.weight", lambda x: [*x[:5], "table", 1, 1, 9]), "for 1 to 1"),
    "least null": (field("stem.weight", 6, None), "allowed: whole numbers"),
    "least a fraction": (field("stem.weight", 6, -2.0), "allowed: whole numbers"),
    "least beyond 16 bits": (field("stem.weight", 6, -(2**15)), "allowed: 16 bits"),
    "most beyond 16 bits": (field("stem.weight", 7, 10**400), "allowed: 16 bits"),
    "most below least": (field("stem.weight", 6, 3, -3), "allowed: 16 bits"),
    "no bounds": (cut("stem.weight", 6), "has the symbols"),
    "one bound": (cut("stem.weight", 7), "has the symbols"),
    "a weight less": (with_line("stem.weight", lambda line: line[:-1]), "numbers; allowed: "),
    "a weight more": (grown("stem.weight", 1), "numbers; allowed: "),
    "a weight of 256": (field("stem.weight", 8, 256), "has the number 256; allowed: below 256"),
    "a weight of -1": (field("stem.weight", 8, -1), "has the number -1; allowed: below 256"),
    "a weight of 10^400": (field("stem.weight", 8, 10**400), "has the number 1000"),
    "ratio of 1": (
        with_line("stem.weight", lambda x: [*x[:5], "gaussian", -4, 4, 9, 2**16]),
        "has the number 65536; allowed: below 65536",
    ),
    "a long table": (
        with_line("stem.weight", lambda x: [*x[:5], "table", 1, 257, *range(257)]),
        "table has 257 symbols; allowed: at most 256",
    ),
    "symbols of 3 bytes": (
        with_line("stem.weight", lambda x: [*x[:2], "deflate", *x[3:5], 3]),
        "symbols of [3] bytes; allowed: 1, 2, 4",
    ),
    "symbols of true bytes": (
        with_line("stem.weight", lambda x: [*x[:2], "deflate", *x[3:5], True]),
        "symbols of [True] bytes",
    ),
    "symbols of no bytes": (
        with_line("stem.weight", lambda x: [*x[:2], "deflate", *x[3:5]]),
        "is stored as",
    ),
    "deflated, but is not": (
        with_line("stem.weight", lambda x: [*x[:2], "deflate", *x[3:5], 1]),
        "cannot be read",
    ),
    "constant, but is not": (
        with_line("stem.weight", lambda x: [*x[:5], "constant", 1, 1]),
        "cannot be read",
    ),
}


@pytest.mark.parametrize("case", PLAIN_LINES)
def test_lines_that_are_not_the_networks_are_refused(package, case):
    change, message = PLAIN_LINES[case]
    write_members(package, change(members(package)))
    assert message in refusal(package)


@pytest.mark.parametrize("case", UNIFORM_LINES)
def test_lines_of_uniform_tensors_are_refused(uniform_package, case):
    change, message = UNIFORM_LINES[case]
    write_members(uniform_package, change(members(uniform_package)))
    assert message in refusal(uniform_package)


LENGTHS = (None, [], [1], [1, 2, 3], [-1, 1], ["1", 1], [True, 1], [1.0, 1], [10**30, 0], {})


@pytest.mark.parametrize("lengths", LENGTHS)
def test_lengths_of_the_parts_are_two_that_the_tensors_may_take(uniform_package, lengths):
    change = with_header("bytes", value=lengths)
    write_members(uniform_package, hashed(change(members(uniform_package))))
    assert f"its parts have {str(lengths)[:20]}" in refusal(uniform_package)


def moved(number):
    def changed(contents):
        first, second = json.loads(contents[HEADER])["bytes"]
        return hashed(with_header("bytes", value=[first + number, second - number])(contents))

    return changed


def flipped(words):
    return bytes(byte ^ 255 for byte in words)


def two_streams(content):
    return zlib.compress(content) + zlib.compress(b"")


def unfinished(content):
    return zlib.compress(content)[:-4]


PARTS = {
    "parts of other lengths": (moved(4), "cannot be read"),
    "a word moved": (moved(-4), "cannot be read"),
    "a byte moved": (moved(1), "allowed: whole words"),
    "deflated less": (with_sections(deflated=lambda part: part[:-1]), "is shorter than"),
    "deflated more": (with_sections(deflated=lambda part: part + b"0"), "is longer than"),
    "nothing deflated": (with_sections(deflated=lambda part: b""), "is shorter than"),
    "a bomb": (with_sections(deflated=lambda part: part + bytes(64 * MIB)), "cannot be read"),
    "two streams": (with_sections(pack=two_streams), "does not end where its tensors do"),
    "no check sum": (with_sections(pack=unfinished), "does not end where its tensors do"),
    "no zlib": (with_sections(pack=lambda part: part[:100]), "incorrect header check"),
    "garbled words": (with_sections(ranged=flipped), "cannot be read"),
    "words more": (with_sections(ranged=lambda part: part + part), "is longer than its tensors"),
    "words of no end": (with_sections(ranged=lambda part: 100 * part), "allowed: at most"),
    "no words": (with_sections(ranged=lambda part: b""), "is range coded, but nothing is"),
    "half a word less": (with_sections(ranged=lambda part: part[:-2]), "allowed: whole words"),
}


@pytest.mark.parametrize("case", PARTS)
def test_parts_that_are_not_the_tensors_are_refused(uniform_package, case):
    change, message = PARTS[case]
    write_members(uniform_package, change(members(uniform_package)))
    assert message in refusal(uniform_package)


@pytest.mark.parametrize("length", range(0, 200, 12))
def test_words_cut_off_are_refused_or_make_a_whole_model(uniform_package, length):
    change = with_sections(ranged=lambda part: part[: 4 + length])
    write_members(uniform_package, change(members(uniform_package)))
    try:
        model = read_package(uniform_package)
    except PackageError as error:
        check_refusal(error)
    else:
        assert all(bool(x.isfinite().all()) for x in model.network.state_dict().values())


def first_bytes(*values):
    return with_sections(deflated=lambda part: bytes(values) + part[len(values) :])


def test_numbers_that_are_not_finite_are_refused(tmp_path, tiny_recipe, tiny_network):
    path, names = tmp_path / "model.pdm", list(tiny_network.state_dict())
    write_package(path, tiny_recipe, tiny_network)
    count = tiny_network.state_dict()[names[0]].numel()
    nan = bytes([255]) * 3 * count + bytes([127]) * count
    write_members(path, first_bytes(*nan)(members(path)))
    assert f"tensor {names[0]} has values that are not finite" in refusal(path)


def test_a_step_that_overflows_is_refused(tmp_path, tiny_recipe, tiny_network):
    fields = QUANTIZATIONS["steps"]
    wide = tiny_network.get_parameter("stem.weight")
    with torch.no_grad():
        wide.mul_(1e8 / wide.std())
    steps = dict.fromkeys(covered_names(tiny_network), 1.0)
    recipe = replace(tiny_recipe, compression=CompressionConfig(**fields))
    path = tmp_path / "model.pdm"
    write_package(path, recipe, tiny_network, steps)
    assert line_of(members(path), "stem.weight")[2] == "deflate"
    read_package(path)
    write_members(path, field("stem.weight", 4, 100)(members(path)))
    write_members(path, field("stem.weight", 3, 31)(members(path)))
    assert "tensor stem.weight has values that are not finite" in refusal(path)


@pytest.mark.parametrize("step", [0.0, -1.0, 1.03, float("nan"), float("inf"), 1e-60, 1e40])
def test_a_step_that_no_package_holds_is_not_written(tmp_path, tiny_recipe, tiny_network, step):
    compression = CompressionConfig(**QUANTIZATIONS["steps"])
    path = tmp_path / "model.pdm"
    with pytest.raises(
        PackageError, match=r"is not written: step is .*; allowed: a whole"
    ) as error:
        write_package(
            path,
            replace(tiny_recipe, compression=compression),
            tiny_network,
            {"stem.weight": step},
        )
    check_refusal(error.value)
    assert not path.exists()


def test_a_header_longer_than_a_reader_takes_is_not_written(tmp_path, tiny_recipe, tiny_network):
    data = replace(tiny_recipe.data, name="folder:/" + "x" * MIB)
    path = tmp_path / "model.pdm"
    with pytest.raises(PackageError, match="is not written: its header has") as error:
        write_package(path, replace(tiny_recipe, data=data), tiny_network)
    check_refusal(error.value)


def test_without_the_library_of_ranges_one_line_says_so(
    uniform_package, tmp_path, tiny_recipe, tiny_network, monkeypatch
):
    monkeypatch.setitem(sys.modules, "constriction", None)
    expected = "needs the Python package constriction, which cannot be imported"
    assert expected in refusal(uniform_package)
    recipe = read_recipe(uniform_package)
    with pytest.raises(PackageError, match=r"is not written: needs the .* constriction") as error:
        write_package(tmp_path / "other.pdm", recipe, tiny_network)
    check_refusal(error.value)
    write_package(tmp_path / "plain.pdm", tiny_recipe, tiny_network)  # has no ranges
    read_package(tmp_path / "plain.pdm")


def read_recipe(path):
    return Recipe.from_dict(json.loads(members(path)[HEADER])["recipe"])


LARGE = {
    "wide": ({"widths": [8, 4_096]}, "parameters; allowed: at most 250000000"),
    "very wide": ({"widths": [8, 10**30]}, "cannot be read"),
    "deep": ({"widths": [8] * 2_000}, "network.widths is"),
}


@pytest.mark.parametrize("case", LARGE)
def test_large_networks_are_refused_before_they_are_built(package, case, monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "to_empty", lambda *given, **to: pytest.fail("built"))
    fields, message = LARGE[case]
    contents = members(package)
    for name, value in fields.items():
        contents = with_header("recipe", "network", name, value=value)(contents)
    contents = with_header("recipe", "data", "image_size", value=1_024)(contents)
    write_members(package, hashed(contents))
    assert message in refusal(package)


def test_tensors_of_all_channels_are_refused_where_some_are_removed(package):
    contents = members(package)
    for name, value in (("prune_method", "channels_l1"), ("prune_ratio", 0.5)):
        contents = with_header("recipe", "compression", name, value=value)(contents)
    write_members(package, hashed(contents))
    assert "stem.weight" in refusal(package)


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


@pytest.mark.parametrize("value", ["0" * 64, "", None, 0, ["x" * 1_000]])
def test_another_hash_is_refused(package, value):
    write_members(package, with_header("sha256", value=value)(members(package)))
    assert "its sha256 is" in refusal(package)


def test_changed_content_is_refused_by_its_hash(package):
    contents = members(package)
    damaged = bytearray(contents[CONTENT])
    damaged[-1] ^= 1
    write_members(package, with_member(CONTENT, bytes(damaged))(contents))
    assert "its sha256 is" in refusal(package)


@pytest.mark.parametrize("place", [("recipe", "sampling", "steps"), ("tensors", 0, 3)])
def test_a_changed_header_is_refused_by_its_hash(package, place):
    write_members(package, with_header(*place, value=4)(members(package)))
    assert "its sha256 is" in refusal(package)


def test_a_package_of_this_format_has_a_hash(package):
    contents = members(package)
    header = json.loads(contents[HEADER])
    del header["sha256"]
    write_members(package, {**contents, HEADER: json.dumps(header).encode()})
    assert "its header has the fields" in refusal(package)


def test_the_hash_is_of_the_content(package):
    contents = members(package)
    assert json.loads(hashed(contents)[HEADER]) == json.loads(contents[HEADER])


FORMAT1 = Path(__file__).parent / "format1" / "weights8_pruned.pdm"
FORMAT1_CHANGES = {
    "weights": (
        "weights.safetensors",
        lambda content: content[:-1] + b"?",
        "its weights_sha256 is",
    ),
    "recipe": (HEADER, lambda content: content.replace(b'"steps":', b'"steps":1'), "its recipe_s"),
    "layout": (HEADER, lambda content: content.replace(b'"bits":8', b'"bits":4'), "is stored as"),
    "fields": (HEADER, lambda content: content.replace(b'"tensors"', b'"bytes"'), "the fields"),
    "no tensors": ("weights.safetensors", lambda content: b"", "its weights_sha256 is"),
}


@pytest.mark.parametrize("case", FORMAT1_CHANGES)
def test_changed_packages_of_format_1_are_refused(tmp_path, case):
    name, change, message = FORMAT1_CHANGES[case]
    contents = members(FORMAT1)
    write_members(tmp_path / "model.pdm", {**contents, name: change(contents[name])})
    assert message in refusal(tmp_path / "model.pdm")


HEADERS = {
    "nested": (b'{"format":1,"recipe":' + b"[" * 20 + b"]" * 20 + b',"tensors":{}}', "nested"),
    "nested without end": (b"[" * MIB, "nested"),
    "quotes without end": (b'"' + b'\\"' * (MIB // 4), "Unterminated string"),
    "long": (b" " * (MIB + 1), f"allowed: at most {MIB}"),
    "another field": (b'{"format":2,"recipe":{},"tensors":[],"more":{}}', "the fields"),
    "long number": (b'{"format":' + b"1" * 10_000 + b"}", "cannot be read"),
    "long version": (b'{"format":"' + b"x" * 10_000 + b'"}', "it has format"),
    "true": (b'{"format":true}', "it has format True"),
    "newer": (b'{"format":3}', "has format 3; allowed: 1 or 2; it was written by a newer version"),
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
