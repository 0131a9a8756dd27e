"""The package: one file that holds a model, losslessly compressed; its length is `size_bytes`.

A package is a ZIP archive of two members: `model.json` (format version, recipe, how each tensor
is stored) and `weights.safetensors`. Zeros are kept as a bit mask, floats as four planes of
bytes and 4-bit codes two a byte, because those deflate best. Nothing in it is ever unpickled.
"""

import gzip
import io
import json
import lzma
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from diffusion.compress.quantize import (
    QuantizedTensor,
    pack_nibbles,
    quantize_weights,
    unpack_nibbles,
)
from diffusion.errors import PackageError
from diffusion.model import DiffusionModel
from diffusion.networks import build_network
from diffusion.recipe import Recipe

FORMAT_VERSION = 1
PACKAGE_NAME = "model.pdm"
HEADER, WEIGHTS = "model.json", "weights.safetensors"
SPARSE_FROM = 1 / 16  # Share of zeros from which a mask is worth its bits.
# What a damaged archive, JSON or safetensors file may raise; zipfile and json know RuntimeError
# for encryption, unknown methods and too deep nesting.
DAMAGE = (
    *(OSError, EOFError, LookupError, ValueError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, SafetensorError),
)
FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # The same model gives the same bytes.


def write_package(path: Path, recipe: Recipe, network: nn.Module) -> int:
    """Quantize a network as its recipe asks and write it as one file, aside and then renamed.

    Args:
        path: where the file appears, whole.
        recipe: goes into the file; its compression names the quantization.
        network: float32 weights, pruned already.

    Returns:
        The file's length, `size_bytes`.
    """
    stored = quantize_weights(network, recipe.compression.quantization)
    tensors: dict[str, Tensor] = {}
    layout = {name: _encode(name, value, tensors) for name, value in stored.items()}
    header = {"format": FORMAT_VERSION, "recipe": recipe.to_dict(), "tensors": layout}
    members = {
        HEADER: json.dumps(header, separators=(",", ":")).encode(),
        WEIGHTS: safetensors.torch.save(tensors),
    }
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(aside, "w", compresslevel=9) as archive:
            for name, content in members.items():
                archive.writestr(_member(name), content)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path.stat().st_size


def read_package(path: Path, device: torch.device | str = "cpu") -> DiffusionModel:
    """Rebuild the model of a package, with plain float32 weights.

    Raises:
        PackageError: the file is missing, damaged, not ours or of another version.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            header = json.loads(archive.read(HEADER))
            tensors = safetensors.torch.load(archive.read(WEIGHTS))
    except DAMAGE as error:
        raise PackageError(f"package {path} cannot be read: {error}") from error
    version = header.get("format") if isinstance(header, dict) else None
    if version != FORMAT_VERSION:
        raise PackageError(f"package {path} has format {version!r}; allowed: {FORMAT_VERSION}")
    try:
        recipe = Recipe.from_dict(header["recipe"])
        state = {name: _decode(name, how, tensors) for name, how in header["tensors"].items()}
        network = build_network(recipe.network, recipe.data)
        network.load_state_dict(state)
    except (AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise PackageError(f"package {path} does not hold a model: {error}") from error
    return DiffusionModel(recipe, network, device)


def gzip_state_dict_bytes(recipe: Recipe, network: nn.Module) -> int:
    """Return the length of the gzipped, saved state dict, the size that older studies quote."""
    stored = quantize_weights(network, recipe.compression.quantization)
    state: dict[str, Tensor] = {}
    for name, value in stored.items():
        if isinstance(value, QuantizedTensor):
            state[name] = pack_nibbles(value.codes) if value.bits == 4 else value.codes
            state[f"{name}.scales"] = value.scales
        else:
            state[name] = value
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return len(gzip.compress(buffer.getvalue()))


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, FIXED_DATE)
    member.compress_type = zipfile.ZIP_DEFLATED
    return member


def _encode(
    name: str, value: Tensor | QuantizedTensor, tensors: dict[str, Tensor]
) -> dict[str, Any]:
    """Add a tensor's parts to `tensors` and return how they are to be read."""
    if isinstance(value, QuantizedTensor):
        bits, shape, elements = value.bits, value.shape, value.codes
        zero = int((value.codebook == 0).nonzero()[0])
        tensors[f"{name}.scales"] = value.scales
        tensors[f"codebook{bits}"] = value.codebook
    else:
        bits, shape, elements, zero = 32, tuple(value.shape), value.float().flatten(), 0
    # A float's bits decide, not its value, so that -0.0 survives.
    keep = (elements.view(torch.int32) if bits == 32 else elements) != zero
    sparse = bool((~keep).sum() > SPARSE_FROM * max(elements.numel(), 1))
    if sparse:
        tensors[f"{name}.mask"] = torch.from_numpy(np.packbits(keep.numpy()))
        elements = elements[keep]
    if bits == 32:
        tensors[name] = elements.view(torch.uint8).reshape(-1, 4).T.contiguous()
    else:
        tensors[name] = pack_nibbles(elements) if bits == 4 else elements
    return {"shape": list(shape), "bits": bits, "sparse": sparse}


def _decode(name: str, how: dict[str, Any], tensors: dict[str, Tensor]) -> Tensor:
    bits, shape = how["bits"], tuple(how["shape"])
    count = torch.Size(shape).numel()
    keep = torch.ones(count, dtype=torch.bool)
    if how["sparse"]:
        mask = np.unpackbits(tensors[f"{name}.mask"].numpy(), count=count)
        keep = torch.from_numpy(mask).bool()
    if bits == 32:
        elements = torch.zeros(count)
        elements[keep] = tensors[name].T.flatten().view(torch.float32)
        return elements.reshape(shape)
    codebook = tensors[f"codebook{bits}"]
    codes = torch.full((count,), int((codebook == 0).nonzero()[0]), dtype=torch.uint8)
    kept = int(keep.sum())
    codes[keep] = unpack_nibbles(tensors[name], kept) if bits == 4 else tensors[name]
    return QuantizedTensor(codes, tensors[f"{name}.scales"], codebook, shape).dequantize()
