"""A package is read by what docs/package-format.md says: a reader that imports nothing of ours."""

import hashlib
import json
import math
import zipfile
import zlib

import constriction
import numpy as np
import pytest
import torch
from small_networks import DIGITS, SMALL_WIDTHS, config, perturb

from diffusion.compress.package import read_package, write_package
from diffusion.compress.prune import prune
from diffusion.networks import build_network
from diffusion.recipe import CompressionConfig, Recipe, SamplingConfig, TrainingConfig

BLOCKS = {"code8": 256, "code4": 64}


def read(path):
    """Return the tensors of a package of format 2 by name, [shape] float32."""
    with zipfile.ZipFile(path) as archive:
        header, content = json.loads(archive.read("model.json")), archive.read("weights.bin")
    found = header.pop("sha256")
    text = json.dumps(header, sort_keys=True, separators=(",", ":"))
    assert header["format"] == 2
    assert found == hashlib.sha256(text.encode() + content).hexdigest()
    first, second = header["bytes"]
    assert first + second == len(content)
    plain = Parts(zlib.decompress(content[:first]))
    words = np.frombuffer(content[first:], "<u4").astype(np.uint32)
    decoder = constriction.stream.queue.RangeDecoder(words)
    tensors = {}
    for name, shape, coding, *how in header["tensors"]:
        count = math.prod(shape)
        if coding == "range":
            values = read_range(decoder, count, *how)
        elif coding == "deflate":
            values = scaled(planes(plain, count, f"<i{how[2]}"), *how[:2])
        elif coding in BLOCKS:
            values = read_codes(plain, coding, count, how[0])
        else:
            values = read_floats(plain, coding, count, how[0])
        tensors[name] = values.reshape(shape)
    assert plain.at == len(plain.content)
    return tensors


class Parts:
    def __init__(self, content):
        self.content, self.at, self.codebooks = content, 0, {}

    def take(self, dtype, count):
        self.at += np.dtype(dtype).itemsize * count
        return np.frombuffer(self.content[: self.at], np.uint8)[
            self.at - np.dtype(dtype).itemsize * count :
        ].view(dtype)


def planes(plain, count, dtype):
    width = np.dtype(dtype).itemsize
    return plain.take("u1", count * width).reshape(width, count).T.copy().view(dtype).ravel()


def read_mask(plain, count, kept):
    if kept is None:
        return np.ones(count, bool)
    mask = np.unpackbits(plain.take("u1", math.ceil(count / 8)))
    assert mask.sum() == mask[:count].sum() == kept
    return mask[:count].astype(bool)


def read_floats(plain, coding, count, kept):
    mask = read_mask(plain, count, kept)
    values = np.zeros(count, np.float32)
    values[mask] = planes(plain, int(mask.sum()), {"float32": "<f4", "float16": "<f2"}[coding])
    return values


def read_codes(plain, coding, count, kept):
    mask = read_mask(plain, count, kept)
    stored = int(mask.sum())
    if coding == "code8":
        codes = plain.take("u1", stored)
    else:
        pairs = plain.take("u1", math.ceil(stored / 2))
        codes = np.stack([pairs >> 4, pairs & 15], axis=1).ravel()[:stored]
    scales = plain.take("<f4", math.ceil(count / BLOCKS[coding]))
    if coding not in plain.codebooks:
        plain.codebooks[coding] = plain.take("<f4", 256 if coding == "code8" else 16)
    values = np.zeros(count, np.float32)
    values[mask] = plain.codebooks[coding][codes]
    return values * np.repeat(scales, BLOCKS[coding])[:count]


def scaled(numbers, mantissa, exponent):
    return numbers.astype(np.float32) * np.float32(math.ldexp(mantissa, exponent))


def read_range(decoder, count, mantissa, exponent, kind, least, most, *numbers):
    if kind == "constant":
        return scaled(np.full(count, least), mantissa, exponent)
    weights = np.array(weights_of(kind, least, most, numbers), np.float64)
    model = constriction.stream.model.Categorical(weights, perfect=False)
    return scaled(decoder.decode(model, count) + least, mantissa, exponent)


def small_float(byte):
    return (16 + byte % 16) << (byte // 16)


def weights_of(kind, least, most, numbers):
    if kind == "table":
        return [small_float(byte) for byte in numbers]
    zero, ratio = numbers
    square = max(ratio * ratio >> 16, 1)
    factor = ratio if kind == "geometric" else max(ratio * square >> 16, 1)
    tail = [small_float(zero) << 22, 2**30]
    while len(tail) <= max(-least, most):
        tail.append(max(tail[-1] * factor >> 16, 1))
        if kind == "gaussian":
            factor = max(factor * square >> 16, 1)
    return [tail[abs(number)] for number in range(least, most + 1)]


COMPRESSIONS = {
    "none": {},
    "linear8": {"quantization": "linear8"},
    "linear4": {"quantization": "linear4"},
    "weights8": {"quantization": "weights8"},
    "steps of 0.003": {"quantization": "uniform", "quantization_step": 0.003},
    "steps of 0.5": {"quantization": "uniform", "quantization_step": 0.5},
    "steps of 1.5": {"quantization": "uniform", "quantization_step": 1.5},
}


def differences(tensors, model):
    """Name the tensors whose bits differ."""
    state = {name: value.numpy() for name, value in model.network.state_dict().items()}
    assert list(tensors) == list(state)
    return [name for name, x in state.items() if x.tobytes() != tensors[name].tobytes()]


@pytest.mark.parametrize("ratio", [0.0, 0.6])
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("architecture", SMALL_WIDTHS)
def test_the_document_is_enough_to_read_a_package(tmp_path, architecture, compression, ratio):
    pruned = {"prune_method": "l1", "prune_ratio": ratio} if ratio else {}
    recipe = Recipe(
        data=DIGITS,
        network=config(architecture, groups=4 if architecture != "ddpm" else 1),
        training=TrainingConfig(train_images=64, batch_size=16),
        sampling=SamplingConfig(steps=3),
        compression=CompressionConfig(**COMPRESSIONS[compression], **pruned),
    )
    network = perturb(build_network(recipe.network, recipe.data, seed=1))
    with torch.no_grad():  # a weight as training leaves it where nothing is drawn to it
        next(network.parameters()).zero_()
    prune(network, recipe.compression)
    write_package(tmp_path / "model.pdm", recipe, network)
    tensors = read(tmp_path / "model.pdm")
    assert differences(tensors, read_package(tmp_path / "model.pdm")) == []
    if compression == "none":
        expected = {name: x.float().numpy() for name, x in network.state_dict().items()}
        assert all(np.array_equal(tensors[name], x) for name, x in expected.items())


def test_a_reader_that_differs_is_told(tmp_path, tiny_recipe, tiny_network):
    write_package(tmp_path / "model.pdm", tiny_recipe, tiny_network)
    tensors = read(tmp_path / "model.pdm")
    tensors["stem.bias"] = np.nextafter(tensors["stem.bias"], np.float32(9))
    assert differences(tensors, read_package(tmp_path / "model.pdm")) == ["stem.bias"]
