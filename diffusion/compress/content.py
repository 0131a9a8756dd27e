"""The content of a package: all tensors, some deflated together, some range coded together."""

import math
import zlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusion.compress.coding import decode, encode
from diffusion.compress.entries import Entry, PlainEntry, UniformEntry, split_step
from diffusion.compress.quantize import QuantizedTensor, StoredTensor
from diffusion.compress.range_coding import RangeReader, encode_ranges
from diffusion.compress.symbols import MOST_SYMBOL, fit
from diffusion.compress.uniform import UniformTensor

SYMBOL_TYPES = {1: "<i1", 2: "<i2", 4: "<i4"}
# Whether deflate would be smaller is tried: with its best effort where that takes no time, and
# else with its least, which finds the long runs of zeros that it could win by.
SMALL_TENSOR = 2**18


def pack_content(stored: dict[str, StoredTensor]) -> tuple[list[Entry], list[int], bytes]:
    """Return how each tensor is stored, the lengths of the two parts, and the parts.

    Args:
        stored: the tensors by name, in the network's order.
    """
    entries: list[Entry] = []
    deflated: dict[str, bytes] = {}  # codebooks come up with every tensor, and are stored once
    ranged = []
    for name, value in stored.items():
        if isinstance(value, UniformTensor):
            entry = _choose_coding(name, value)
            entries.append(entry)
            if entry.model is None:
                deflated[name] = _symbol_bytes(value, entry.width)
            else:
                ranged.append((value.symbols.numpy(), entry.model))
        else:
            plain, parts = _plain_parts(name, value)
            entries.append(plain)
            deflated = {**deflated, **{k: v for k, v in parts.items() if k not in deflated}}
    sections = [
        zlib.compress(b"".join(deflated.values()), 9),
        encode_ranges(ranged) if ranged else b"",
    ]
    return entries, [len(section) for section in sections], b"".join(sections)


def unpack_content(entries: list[Entry], lengths: Any, content: bytes) -> dict[str, Tensor]:
    """Rebuild the tensors, with plain float32 elements.

    Raises:
        ValueError: a part is longer or shorter than its entry says, or an element is not finite;
            zlib has its own errors.
    """
    first = _check_lengths(lengths, len(content))
    most = sum(_most_bytes(entry) for entry in entries) + _codebooks_bytes(entries)
    plain = _Bytes(_inflate(content[:first], most))
    ranges = RangeReader(content[first:]) if lengths[1] else None
    codebooks: dict[str, Tensor] = {}
    tensors: dict[str, Tensor] = {}
    for entry in entries:
        if isinstance(entry, PlainEntry):
            tensors[entry.name] = _read_plain(entry, plain, codebooks)
        else:
            tensors[entry.name] = _read_uniform(entry, plain, ranges)
    plain.check_end()
    return tensors


def _choose_coding(name: str, value: UniformTensor) -> UniformEntry:
    """Choose by tensor what takes the fewest bytes."""
    symbols = value.symbols.numpy()
    step = split_step(value.step)
    largest = int(np.abs(symbols).max(initial=0))
    width = 1 if largest < 2**7 else 2 if largest <= MOST_SYMBOL else 4
    deflated = UniformEntry(name, value.shape, *step, width=width)
    if not len(symbols) or largest > MOST_SYMBOL:
        return deflated
    model = fit(symbols)
    effort = 9 if len(symbols) <= SMALL_TENSOR else 1
    bits = 8 * len(zlib.compress(_symbol_bytes(value, width), effort))
    counts = np.bincount(symbols - model.least, minlength=model.size)
    if bits < model.bits(counts):
        return deflated
    return UniformEntry(name, value.shape, *step, model)


def _symbol_bytes(value: UniformTensor, width: int) -> bytes:
    """Return symbols as bytes, in planes: all lowest bytes first."""
    content = value.symbols.numpy().astype(SYMBOL_TYPES[width]).tobytes()
    return np.frombuffer(content, np.uint8).reshape(-1, width).T.tobytes()


def _plain_parts(
    name: str, value: Tensor | QuantizedTensor
) -> tuple[PlainEntry, dict[str, bytes]]:
    tensors: dict[str, Tensor] = {}
    layout = encode(name, value, tensors)
    kept = layout.count
    if layout.sparse:
        kept = int(np.unpackbits(tensors[f"{name}.mask"].numpy()).sum())
    parts = {part: tensors[part].numpy().tobytes() for part in layout.parts(name, kept)}
    return PlainEntry(name, layout, kept if layout.sparse else None), parts


def _read_plain(entry: PlainEntry, plain: "_Bytes", codebooks: dict[str, Tensor]) -> Tensor:
    tensors = dict(codebooks)
    for part, (dtype, shape) in entry.layout.parts(entry.name, entry.stored).items():
        if part in codebooks:
            continue
        content = bytearray(plain.take(dtype.itemsize * math.prod(shape)))
        empty = torch.empty(0, dtype=dtype)
        flat = torch.frombuffer(content, dtype=dtype) if content else empty
        tensors[part] = flat.reshape(shape)
        if part.startswith("codebook"):
            codebooks[part] = tensors[part]
    return decode(entry.name, entry.layout, tensors)


def _read_uniform(entry: UniformEntry, plain: "_Bytes", ranges: RangeReader | None) -> Tensor:
    if entry.model is None:
        planes = np.frombuffer(plain.take(entry.count * entry.width), np.uint8)
        content = planes.reshape(entry.width, -1).T.tobytes()
        symbols = np.frombuffer(content, SYMBOL_TYPES[entry.width]).astype(np.int32)
    elif ranges is None and entry.model.kind != "constant":
        raise ValueError(f"tensor {entry.name} is range coded, but nothing is")
    else:
        reader = ranges or RangeReader(b"")
        symbols = reader.read(entry.model, entry.count)
    return UniformTensor(torch.from_numpy(symbols), entry.step, entry.shape).dequantize()


def _most_bytes(entry: Entry) -> int:
    """Return how many bytes an entry takes before they are deflated, without its codebook."""
    if isinstance(entry, UniformEntry):
        return entry.count * entry.width
    parts = entry.layout.parts(entry.name, entry.stored)
    return sum(
        dtype.itemsize * math.prod(shape)
        for part, (dtype, shape) in parts.items()
        if not part.startswith("codebook")
    )


def _codebooks_bytes(entries: list[Entry]) -> int:
    bits = {entry.layout.bits for entry in entries if isinstance(entry, PlainEntry)}
    return sum(4 * 2**number for number in bits & {4, 8})


def _check_lengths(lengths: Any, total: int) -> int:
    """Return how long the first part is."""
    is_list = isinstance(lengths, list) and len(lengths) == 2
    if not is_list or any(type(n) is not int or n < 0 for n in lengths) or sum(lengths) != total:
        raise ValueError(f"its parts have {lengths!r:.60} bytes, but its content has {total}")
    return int(lengths[0])


def _inflate(content: bytes, most: int) -> bytes:
    inflater = zlib.decompressobj()
    inflated = inflater.decompress(content, most + 1)
    if len(inflated) > most or not inflater.eof or inflater.unused_data:
        raise ValueError(f"its deflated part has not the {most} bytes that its tensors take")
    return inflated


class _Bytes:
    """Bytes that are taken one part after another."""

    def __init__(self, content: bytes) -> None:
        self._content, self._position = content, 0

    def take(self, number: int) -> bytes:
        taken = self._content[self._position : self._position + number]
        if len(taken) < number:
            raise ValueError("its deflated part is shorter than its tensors")
        self._position += number
        return taken

    def check_end(self) -> None:
        if self._position != len(self._content):
            raise ValueError("its deflated part is longer than its tensors")
