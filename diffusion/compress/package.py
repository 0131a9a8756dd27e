"""The package: one file that holds a model, losslessly compressed; its length is `size_bytes`.

A package is a ZIP archive of two members: `model.json` (format version, recipe, how each tensor
is stored, hash) and `weights.bin`; docs/package-format.md describes both. Nothing in it is ever
unpickled. A reader trusts nothing: it works out from the recipe what must be there, before it
inflates or allocates it.
"""

import gzip
import io
import logging
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from diffusion.compress.archive import (
    CONTENT,
    HEADER,
    LEAST_PADDING,
    ReadMember,
    open_members,
    pack_members,
)
from diffusion.compress.content import pack_content, read_lengths, unpack_content, unpack_stored
from diffusion.compress.entries import Entry, read_entries
from diffusion.compress.format1 import read_format1
from diffusion.compress.header import MAX_HEADER_BYTES, check_hash, read_header, write_header
from diffusion.compress.limits import MAX_FILE_BYTES, check_parameters, network_shapes
from diffusion.compress.model_path import model_file
from diffusion.compress.quantize import (
    QuantizedTensor,
    StoredTensor,
    pack_nibbles,
    quantize_weights,
)
from diffusion.compress.range_coding import CodingUnavailable
from diffusion.compress.uniform import Steps, UniformTensor, relative_steps
from diffusion.errors import PackageError, PackageUnreachable, about_path
from diffusion.files import write_bytes
from diffusion.model import DiffusionModel
from diffusion.recipe import Recipe, SamplingConfig

PACKAGE_NAME = "model.pdm"
# Bytes that every package has beside those of one with plain sampling: for longer headers.
SAMPLING_ROOM = 32
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
        steps: of quantization `uniform`; without them each tensor's is the recipe's, in standard
            deviations of it.

    Returns:
        The file's length, `size_bytes`.

    Raises:
        PackageError: the network has more parameters than a package may hold, or the library
            that codes it cannot be imported.
        OSError: the file cannot be written.
    """
    try:
        check_parameters(sum(value.numel() for value in network.state_dict().values()))
        content = pack(recipe, stored_weights(recipe, network, steps))
    except (ValueError, CodingUnavailable) as error:
        raise PackageError(about_path("package", path, f"is not written: {error}")) from error
    write_bytes(path, content)
    return len(content)


def read_package(path: Path | str, device: torch.device | str = "cpu") -> DiffusionModel:
    """Rebuild the model of a package, with plain float32 weights.

    The earliest packages have no hashes; they are read, with a warning in the log.

    Args:
        path: of the file, of a folder that holds it, or of a name in a front's folder, such as
            RUN/front/best.
        device: where the network will be.

    Raises:
        PackageError: the file is damaged, not ours, of another version or too large.
        PackageUnreachable: it is missing, or the system cannot read it.
    """
    with _opened(path) as (header, recipe, read):
        read_tensors = read_format1 if header["format"] == 1 else _read_tensors
        tensors, verified = read_tensors(header, recipe, read)
        network = network_shapes(recipe)[0]
        # Not by `to_empty`, which imports torch's compiler, for half a second.
        shapes = network.state_dict()
        state = {n: torch.empty(s.shape, dtype=s.dtype, device="cpu") for n, s in shapes.items()}
        network.load_state_dict(state, assign=True)
        for name, value in tensors:  # one after another, so that they take no memory together
            state[name].copy_(value)
    if not verified:
        reason = "is of an earlier version: without hashes it cannot be verified"
        logger.warning("%s", about_path("package", path, reason))
    return DiffusionModel(recipe, network, device)


def read_stored(path: Path | str) -> dict[str, StoredTensor]:
    """Return a package's tensors by name, as they are stored: floats or codes.

    Of packages of format 1, which are of earlier versions, all are floats.

    Raises:
        PackageError: the file is damaged, not ours, of another version or too large.
        PackageUnreachable: it is missing, or the system cannot read it.
    """
    with _opened(path) as (header, recipe, read):
        if header["format"] == 1:
            return dict(read_format1(header, recipe, read)[0])
        return dict(unpack_stored(*_read_content(header, recipe, read)))


def gzip_state_dict_bytes(recipe: Recipe, network: nn.Module, steps: Steps | None = None) -> int:
    """Return the length of the gzipped, saved state dict, the size that older studies quote."""
    state: dict[str, Tensor] = {}
    for name, value in stored_weights(recipe, network, steps).items():
        if isinstance(value, UniformTensor):
            small = bool((value.symbols.abs() < 2**7).all())
            state[name] = value.symbols.to(torch.int8 if small else torch.int32)
            state[f"{name}.step"] = torch.tensor(value.step)
        elif isinstance(value, QuantizedTensor):
            state[name] = pack_nibbles(value.codes) if value.bits == 4 else value.codes
            state[f"{name}.scales"] = value.scales
        else:
            state[name] = value
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return len(gzip.compress(buffer.getvalue()))


def stored_weights(
    recipe: Recipe, network: nn.Module, steps: Steps | None = None
) -> dict[str, StoredTensor]:
    """Return the tensors as a package holds them, of what `write_package` takes."""
    compression = recipe.compression
    if compression.quantization == "uniform" and steps is None:
        steps = relative_steps(network, compression.quantization_step)
    return quantize_weights(network, compression.quantization, steps)


def pack(recipe: Recipe, stored: Mapping[str, StoredTensor]) -> bytes:
    """Return the bytes of a package.

    They are as many for one model however images are drawn of it, as long as the header is no
    more than 28 bytes longer by that than with plain sampling.
    """
    entries, lengths, content = pack_content(stored)
    lines = [entry.to_list() for entry in entries]
    plain = replace(recipe, sampling=SamplingConfig(guidance=1.0))  # which any network allows
    own, usual = (
        write_header(each.to_dict(), lines, lengths, content) for each in (recipe, plain)
    )
    # Else the ways to draw from one model would be on a front by the bytes that tell of them.
    longer = len(pack_members({HEADER: own})) - len(pack_members({HEADER: usual}))
    missing = SAMPLING_ROOM - longer
    padding = missing if missing >= LEAST_PADDING else 0
    return pack_members({HEADER: own, CONTENT: content}, padding)


@contextmanager
def _opened(path: Path | str) -> Iterator[tuple[dict[str, Any], Recipe, ReadMember]]:
    """Give a package's header, its recipe and what reads its members; name what is wrong."""
    path = model_file(path, PACKAGE_NAME)
    try:
        with open_members(path, MAX_FILE_BYTES) as read:
            header = read_header(read(HEADER, MAX_HEADER_BYTES))
            yield header, Recipe.from_dict(header["recipe"]), read
    except OSError as error:
        reason = f"cannot be read: {error}"
        raise PackageUnreachable(about_path("package", path, reason)) from error
    except (*DAMAGE, CodingUnavailable) as error:
        raise PackageError(about_path("package", path, f"cannot be read: {error}")) from error


def _read_tensors(
    header: dict[str, Any], recipe: Recipe, read: ReadMember
) -> tuple[Iterable[tuple[str, Tensor]], bool]:
    """Return the tensors of a package of format 2, whose hash verifies them always."""
    return unpack_content(*_read_content(header, recipe, read)), True


def _read_content(
    header: dict[str, Any], recipe: Recipe, read: ReadMember
) -> tuple[list[Entry], list[int], bytes]:
    """Return how each tensor of a package of format 2 is stored, and its content, verified."""
    network, shapes = network_shapes(recipe)
    entries = read_entries(header["tensors"], network, shapes, recipe.compression.quantization)
    lengths = read_lengths(header["bytes"], entries)
    content = read(CONTENT, sum(lengths))
    check_hash(header, content)
    return entries, lengths, content
