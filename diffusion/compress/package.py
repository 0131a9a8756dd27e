"""The package: one file that holds a model, losslessly compressed; its length is `size_bytes`.

A package is a ZIP archive of two members: `model.json` (format version, recipe, how each tensor
is stored, hashes) and `weights.safetensors`. Nothing in it is ever unpickled. A reader trusts
nothing: it works out from the recipe what must be there, before it inflates or allocates it.
"""

import dataclasses
import gzip
import io
import logging
import struct
import zipfile
import zlib
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from diffusion.compress.archive import HEADER, WEIGHTS, open_members, pack_members
from diffusion.compress.coding import decode, encode
from diffusion.compress.header import (
    MAX_HEADER_BYTES,
    check_hashes,
    read_header,
    write_header,
)
from diffusion.compress.layout import (
    MAX_FILE_BYTES,
    check_parameters,
    most_weights_bytes,
    part_names,
    read_layouts,
)
from diffusion.compress.quantize import QuantizedTensor, pack_nibbles, quantize_weights
from diffusion.compress.uniform import Steps
from diffusion.errors import PackageError, PackageUnreachable, about_path
from diffusion.files import write_bytes
from diffusion.model import DiffusionModel
from diffusion.networks import build_network
from diffusion.recipe import Recipe

PACKAGE_NAME = "model.pdm"
# What a damaged archive, JSON or safetensors file may raise, and a recipe that is none.
DAMAGE = (
    *(EOFError, LookupError, ValueError, RuntimeError, TypeError, AttributeError),
    *(ArithmeticError, zipfile.BadZipFile, zlib.error, struct.error, SafetensorError),
)

logger = logging.getLogger(__name__)


def write_package(
    path: Path, recipe: Recipe, network: nn.Module, steps: Steps | None = None
) -> int:
    """Quantize a network as its recipe asks and write it as one file, aside and then renamed.

    Args:
        path: where the file appears, whole.
        recipe: goes into the file; its compression names the quantization.
        network: float32 weights, pruned already.
        steps: of quantization `uniform`, whose multiples the weights are.

    Returns:
        The file's length, `size_bytes`.

    Raises:
        PackageError: the network has more parameters than a package may hold.
        OSError: the file cannot be written.
    """
    try:
        check_parameters(sum(value.numel() for value in network.state_dict().values()))
    except ValueError as error:
        raise PackageError(about_path("package", path, f"is not written: {error}")) from error
    content = _pack(recipe, network)
    write_bytes(path, content)
    return len(content)


def read_package(path: Path, device: torch.device | str = "cpu") -> DiffusionModel:
    """Rebuild the model of a package, with plain float32 weights.

    A package of an earlier version has no hashes; it is read, with a warning in the log.

    Raises:
        PackageError: the file is damaged, not ours, of another version or too large.
        PackageUnreachable: it is missing, or the system cannot read it.
    """
    try:
        with open_members(path, MAX_FILE_BYTES) as read:
            header = read_header(read(HEADER, MAX_HEADER_BYTES))
            recipe = Recipe.from_dict(header["recipe"])
            layouts = read_layouts(recipe, header["tensors"])
            weights = read(WEIGHTS, most_weights_bytes(layouts))
        verified = check_hashes(header, weights)
        tensors = safetensors.torch.load(weights)
        if odd := sorted(tensors.keys() ^ part_names(layouts)):
            raise ValueError(f"tensor {odd[0]!r} is missing, or is one too many")
        state = {name: decode(name, layout, tensors) for name, layout in layouts.items()}
        network = build_network(recipe.network, recipe.data)
        network.load_state_dict(state)
    except OSError as error:
        reason = f"cannot be read: {error}"
        raise PackageUnreachable(about_path("package", path, reason)) from error
    except DAMAGE as error:
        raise PackageError(about_path("package", path, f"cannot be read: {error}")) from error
    if not verified:
        reason = "is of an earlier version: without hashes it cannot be verified"
        logger.warning("%s", about_path("package", path, reason))
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


def _pack(recipe: Recipe, network: nn.Module) -> bytes:
    """Return the bytes of a package."""
    stored = quantize_weights(network, recipe.compression.quantization)
    tensors: dict[str, Tensor] = {}
    layouts = {name: encode(name, value, tensors) for name, value in stored.items()}
    weights = safetensors.torch.save(tensors)
    how = {name: dataclasses.asdict(layout) for name, layout in layouts.items()}
    return pack_members({HEADER: write_header(recipe.to_dict(), how, weights), WEIGHTS: weights})
