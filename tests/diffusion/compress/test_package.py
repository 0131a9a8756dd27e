"""The package: what comes back from it, its bytes, and what is refused as damaged or foreign."""

import json
import random
import zipfile
from dataclasses import replace
from itertools import product

import pytest
import torch
from repacking import (
    check_refusal,
    members,
    same_bits,
    same_model,
    with_header,
    with_member,
    write_members,
)
from torch import nn

from diffusion.compress.package import (
    gzip_state_dict_bytes,
    pack,
    read_package,
    stored_weights,
    write_package,
)
from diffusion.compress.prune import prune
from diffusion.compress.quantize import QuantizedTensor, quantize_weights
from diffusion.config import choices
from diffusion.dataset_names import DATASET_NAMES
from diffusion.errors import PackageError
from diffusion.model import DiffusionModel
from diffusion.networks import build_network
from diffusion.recipe import CompressionConfig, NetworkConfig, SamplingConfig
from diffusion.variant_config import SamplerName, Schedule
from search_spaces.knobs import (
    CODEBOOKS,
    GUIDANCES,
    LEAST_GUIDED_SIGMA,
    MOST_GUIDED_SIGMA,
)

ALL = pytest.mark.parametrize("quantization", CODEBOOKS)


def compressed(recipe, **fields):
    return replace(recipe, compression=CompressionConfig(**fields))


@pytest.fixture
def package(tmp_path, tiny_recipe, tiny_network):
    path = tmp_path / "model.pdm"
    write_package(path, tiny_recipe, tiny_network)
    return path


@pytest.mark.parametrize("ratio", [0.0, 0.05, 0.7, 0.95])
@pytest.mark.parametrize("patch_size", [1, 2])
def test_unquantized_weights_come_back_bit_by_bit(tmp_path, tiny_recipe, ratio, patch_size):
    network_config = replace(tiny_recipe.network, patch_size=patch_size)
    fields = {"prune_method": "random", "prune_ratio": ratio} if ratio else {}
    recipe = compressed(replace(tiny_recipe, network=network_config), **fields)
    network = build_network(recipe.network, recipe.data, seed=1)
    with torch.no_grad():
        odd = torch.tensor([-0.0, 0.0, 1e-45, -1e-45, 3e38, -3e38, 1e-38, 1 / 3])
        network.stem.weight.flatten()[:8] = odd
        network.norm.bias.copy_(-network.norm.bias)  # -0.0 throughout
        assert torch.signbit(network.norm.bias).all()
        nn.init.zeros_(network.embedding.linear1.weight)
    prune(network, recipe.compression)
    size = write_package(tmp_path / "model.pdm", recipe, network)
    model = read_package(tmp_path / "model.pdm")
    assert same_bits(model.network.state_dict(), network.state_dict())
    assert model.recipe == recipe
    assert size == (tmp_path / "model.pdm").stat().st_size
    assert (network.out.bias.numel() == 1) == (patch_size == 1)


def test_single_values_that_are_zero_come_back(tmp_path, tiny_recipe):
    recipe = replace(tiny_recipe, network=replace(tiny_recipe.network, patch_size=1))
    for value in (0.0, -0.0, 2.5):
        network = build_network(recipe.network, recipe.data)
        nn.init.constant_(network.out.bias, value)
        write_package(tmp_path / "model.pdm", recipe, network)
        state = read_package(tmp_path / "model.pdm").network.state_dict()
        assert same_bits(state, network.state_dict())


@pytest.mark.parametrize("quantization", ["linear8", "linear4", "weights8"])
@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("architecture", ["ncsn", "mini_ddpm"])
def test_quantized_weights_come_back_dequantized(
    tmp_path, tiny_recipe, quantization, ratio, architecture
):
    fields = {"prune_method": "l1", "prune_ratio": ratio} if ratio else {}
    recipe = compressed(tiny_recipe, quantization=quantization, **fields)
    if architecture == "ncsn":
        ncsn = NetworkConfig("ncsn", (8, 16, 32, 64), groups=2)
        recipe = replace(recipe, network=ncsn, data=replace(recipe.data, image_size=28))
    network = build_network(recipe.network, recipe.data, seed=1)
    prune(network, recipe.compression)
    write_package(tmp_path / "model.pdm", recipe, network)
    state = read_package(tmp_path / "model.pdm").network.state_dict()
    expected = {
        name: value.dequantize() if isinstance(value, QuantizedTensor) else value
        for name, value in quantize_weights(network, quantization).items()
    }
    assert list(state) == list(expected)
    assert all(torch.equal(state[name], expected[name]) for name in state)
    # What was zero is zero, and the network it came from is not.
    for name, values in network.state_dict().items():
        assert (state[name][values == 0] == 0).all()


def test_read_model_draws_the_same_images(package, tiny_recipe, tiny_network):
    labels = torch.tensor([0, 1, 2])
    expected = DiffusionModel(tiny_recipe, tiny_network).generate(labels)
    assert torch.equal(read_package(package).generate(labels), expected)


@ALL
def test_same_model_gives_the_same_bytes(tmp_path, tiny_recipe, tiny_network, quantization):
    recipe = compressed(tiny_recipe, quantization=quantization)
    contents = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        network = tiny_network.to(memory_format=memory_format)
        path = tmp_path / f"{len(contents)}.pdm"
        write_package(path, recipe, network)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]
    write_package(tmp_path / "other.pdm", replace(recipe, ema=type(recipe.ema)("none")), network)
    assert (tmp_path / "other.pdm").read_bytes() != contents[0]


def test_package_of_a_read_model_is_the_same(package, tmp_path):
    model = read_package(package)
    write_package(tmp_path / "again.pdm", model.recipe, model.network)
    assert (tmp_path / "again.pdm").read_bytes() == package.read_bytes()


@pytest.mark.parametrize("seed", [0, 1, 999])
@pytest.mark.parametrize("steps", [2, 10, 250])
@pytest.mark.parametrize("sampler", choices(SamplerName))
def test_size_says_nothing_of_the_sampling(tiny_recipe, tiny_network, sampler, steps, seed):
    stored = stored_weights(tiny_recipe, tiny_network)
    usual = pack(replace(tiny_recipe, sampling=SamplingConfig(guidance=1.0)), stored)
    bounds = {"guidance_sigma_min": LEAST_GUIDED_SIGMA, "guidance_sigma_max": MOST_GUIDED_SIGMA}
    schedules = choices(Schedule)
    for guidance, schedule in product((0.0, *GUIDANCES, 2.25), schedules):
        fields = {"guidance": guidance, "precision": "bf16", "seed": seed, **bounds}
        drawn = SamplingConfig(sampler, steps, schedule, **fields)
        packed = pack(replace(tiny_recipe, sampling=drawn), stored)
        assert packed != usual
        assert len(packed) == len(usual)


@ALL
def test_size_falls_with_pruning(tmp_path, tiny_recipe, tiny_network, quantization):
    sizes = []
    for ratio in (0.0, 0.3, 0.5, 0.7):
        fields = {"prune_method": "random", "prune_ratio": ratio} if ratio else {}
        recipe = compressed(tiny_recipe, quantization=quantization, **fields)
        prune(tiny_network, recipe.compression)
        sizes.append(write_package(tmp_path / "model.pdm", recipe, tiny_network))
    assert sizes == sorted(set(sizes), reverse=True)
    assert sizes[-1] < 0.75 * sizes[0]


@pytest.mark.parametrize("measure", ["package", "gzip"])
def test_size_falls_with_quantization(tmp_path, tiny_recipe, tiny_network, measure):
    sizes = {}
    for quantization in CODEBOOKS:
        recipe = compressed(tiny_recipe, quantization=quantization)
        if measure == "package":
            sizes[quantization] = write_package(tmp_path / "m.pdm", recipe, tiny_network)
        else:
            sizes[quantization] = gzip_state_dict_bytes(recipe, tiny_network)
            assert sizes[quantization] == gzip_state_dict_bytes(recipe, tiny_network)
    assert sizes["weights8"] < sizes["linear8"] < sizes["none"]
    assert sizes["linear4"] < sizes["linear8"]


def test_package_is_smaller_than_the_gzipped_state_dict(tmp_path, tiny_recipe, tiny_network):
    recipe = compressed(tiny_recipe, prune_method="random", prune_ratio=0.5)
    prune(tiny_network, recipe.compression)
    size = write_package(tmp_path / "model.pdm", recipe, tiny_network)
    values = sum(p.numel() for p in tiny_network.parameters())
    assert size < gzip_state_dict_bytes(recipe, tiny_network)
    assert 4 * values * 0.3 < size < 4 * values * 0.8


def outcome(path, content, original):
    """Read changed bytes: "refused", "same", or what else became of them."""
    path.write_bytes(content)
    try:
        model = read_package(path)
    except PackageError as error:
        return "refused" if str(path) in str(error) else f"error without the path: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "same" if same_model(model, original) else "another model"


def test_every_truncation_is_refused(package):
    content, original = package.read_bytes(), read_package(package)
    draw = random.Random(0)
    lengths = [0, 1, 4, len(content) // 2, len(content) - 1]
    lengths += [draw.randrange(len(content)) for _ in range(55)]
    results = {length: outcome(package, content[:length], original) for length in lengths}
    assert {length: text for length, text in results.items() if text != "refused"} == {}


@pytest.mark.parametrize("part", ["anywhere", "directory", "weights"])
def test_every_changed_byte_is_refused_or_harmless(package, part):
    content, original = package.read_bytes(), read_package(package)
    with zipfile.ZipFile(package) as archive:
        starts = {
            "anywhere": 0,
            "directory": archive.start_dir,
            "weights": archive.getinfo("weights.bin").header_offset,
        }
    draw = random.Random(0)
    results = {}
    for _ in range(60):
        position, flip = draw.randrange(starts[part], len(content)), draw.randrange(1, 256)
        changed = bytearray(content)
        changed[position] ^= flip
        results[position, flip] = outcome(package, bytes(changed), original)
    wrong = {at: text for at, text in results.items() if text not in ("refused", "same")}
    assert wrong == {}
    assert "refused" in results.values()


@pytest.mark.parametrize("entry", [0, 1])
@pytest.mark.parametrize(
    ("offset", "flip"),
    [(8, 1), (10, 8 ^ 0), (10, 8 ^ 9), (10, 8 ^ 12), (10, 8 ^ 14), (10, 8 ^ 99)],
    ids=["encrypted", "stored", "deflate64", "bzip2", "lzma", "unknown"],
)
def test_changed_flags_and_methods_of_the_archive_are_refused(package, entry, offset, flip):
    content, original = bytearray(package.read_bytes()), read_package(package)
    with zipfile.ZipFile(package) as archive:
        start = archive.start_dir
    for _ in range(entry):
        start = content.index(b"PK\x01\x02", start + 1)
    content[start + offset] ^= flip
    assert outcome(package, bytes(content), original) == "refused"


@pytest.mark.parametrize("version", [0, 3, 2.0, "2", None])
def test_another_format_version_is_refused(package, version):
    contents = members(package)
    header = json.loads(contents["model.json"])
    header["format"] = version
    write_members(package, {**contents, "model.json": json.dumps(header)})
    with pytest.raises(PackageError, match=f"has format {version!r}; allowed: 1 or 2"):
        read_package(package)


def test_version_is_looked_at_before_the_recipe(package):
    header = {"format": 3, "model": "of the future"}
    write_members(package, {**members(package), "model.json": json.dumps(header)})
    with pytest.raises(PackageError, match="format 3; allowed: 1 or 2; it was written by a newer"):
        read_package(package)


FOREIGN = {
    "no members": lambda contents: {},
    "no weights": lambda contents: {"model.json": contents["model.json"]},
    "no header": lambda contents: {"weights.bin": contents["weights.bin"]},
    "torn JSON": with_member("model.json", b"{"),
    "no UTF-8": with_member("model.json", b"\xff\xfe"),
    "no object": with_member("model.json", b"[]"),
    "version only": with_member("model.json", b'{"format": 2}'),
    "deep JSON": with_member("model.json", b"[" * 100_000),
    "no content": with_member("weights.bin", b"no tensors"),
    "empty content": with_member("weights.bin", b""),
    "recipe null": with_header("recipe", value=None),
    "other architecture": with_header("recipe", "network", "architecture", value="unet"),
    "other widths": with_header("recipe", "network", "widths", value=[8, 32]),
    "infeasible recipe": with_header("recipe", "network", "groups", value=3),
    "unknown field": with_header("recipe", "colour", value="blue"),
    "tensors null": with_header("tensors", value=None),
    "tensors an object": with_header("tensors", value={}),
    "tensors empty": with_header("tensors", value=[]),
    "tensor null": with_header("tensors", 0, value=None),
    "tensor empty": with_header("tensors", 0, value=[]),
    "no mask": with_header("tensors", 0, 3, value=1),
}


@pytest.mark.parametrize("content", FOREIGN)
def test_foreign_content_is_refused(package, content):
    write_members(package, FOREIGN[content](members(package)))
    with pytest.raises(PackageError) as error:
        read_package(package)
    assert str(package) in str(error.value)
    check_refusal(error.value)


def test_foreign_files_are_refused(tmp_path):
    text = tmp_path / "text.pdm"
    text.write_text("a model, honestly\n" * 100)
    for path in (text, tmp_path / "missing.pdm", tmp_path):
        with pytest.raises(PackageError, match="cannot be read") as error:
            read_package(path)
        assert str(path) in str(error.value)


def test_package_holds_json_and_one_member_of_bytes(package, tiny_recipe):
    contents = members(package)
    assert list(contents) == ["model.json", "weights.bin"]
    header = json.loads(contents["model.json"])
    assert header["recipe"] == tiny_recipe.to_dict()
    assert header["format"] == 2


def test_nothing_is_left_beside_the_file(package, tiny_recipe, tiny_network):
    assert list(package.parent.iterdir()) == [package]
    size = package.stat().st_size
    recipe = compressed(tiny_recipe, quantization="weights8")
    assert write_package(package, recipe, tiny_network) == package.stat().st_size < size
    assert list(package.parent.iterdir()) == [package]


def test_failed_writing_leaves_the_old_file_and_nothing_else(
    package, tiny_recipe, tiny_network, monkeypatch
):
    def full(*arguments):
        raise OSError("no space left on device")

    before = package.read_bytes()
    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OSError, match="no space left"):
        write_package(package, tiny_recipe, tiny_network)
    assert package.read_bytes() == before
    assert list(package.parent.iterdir()) == [package]


def test_names_of_data_sets_survive(tmp_path, tiny_recipe, tiny_network):
    for name in (*DATASET_NAMES, "folder:/a/ü b"):
        recipe = replace(tiny_recipe, data=replace(tiny_recipe.data, name=name))
        write_package(tmp_path / "model.pdm", recipe, tiny_network)
        assert read_package(tmp_path / "model.pdm").recipe == recipe
