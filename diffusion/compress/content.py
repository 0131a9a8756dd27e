"""The content of a package: all tensors, some deflated together, some range coded together."""

import math
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusion.compress.coding import decode_stored, encode
from diffusion.compress.entries import Entry, PlainEntry, UniformEntry, split_step
from diffusion.compress.inflating import Inflater
from diffusion.compress.quantize import QuantizedTensor, StoredTensor, finite_values
from diffusion.compress.range_coding import RangeReader, encode_ranges
from diffusion.compress.symbols import MOST_SYMBOL, fit
from diffusion.compress.uniform import UniformTensor

SYMBOL_TYPES = {1: "<i1", 2: "<i2", 4: "<i4"}
# Whether deflate would be smaller is tried: with its best effort where that takes no time, and
# else with its least, which finds the long runs of zeros that it could win by.
SMALL_TENSOR = 2**18
SAMPLE_BYTES = 2**20
MOST_SYMBOL_BYTES = 3  # The range coder's shares are whole numbers over 2^24.
SPARE_BYTES = 64  # What ends a part, and deflate adds to what it cannot shorten.


def pack_content(stored: Mapping[str, StoredTensor]) -> tuple[list[Entry], list[int], bytes]:
    """Return how each tensor is stored, the lengths of the two parts, and the parts.

    Args:
        stored: the tensors by name, in the network's order.
    """
    entries: list[Entry] = []
    deflated = _Deflater()
    ranged = []
    for name, value in stored.items():
        if isinstance(value, UniformTensor):
            entry = _choose_coding(name, value)
            entries.append(entry)
            if entry.model is None:
                deflated.add(name, _symbol_bytes(value, entry.width))
            elif entry.ranged_symbols:
                ranged.append((value.symbols.numpy(), entry.model))
        else:
            plain, parts = _plain_parts(name, value)
            entries.append(plain)
            for part, content in parts.items():
                deflated.add(part, content)
    pieces, words = deflated.finish(), encode_ranges(ranged) if ranged else b""
    lengths = [sum(len(piece) for piece in pieces), len(words)]
    return entries, lengths, b"".join([*pieces, words])


def read_lengths(declared: Any, entries: list[Entry]) -> list[int]:
    """Check how long a header says that the two parts are.

    Raises:
        ValueError: they are no two lengths, or longer than such tensors take.
    """
    deflated = sum(entry.deflated_bytes for entry in entries) + _codebooks_bytes(entries)
    ranged = MOST_SYMBOL_BYTES * sum(entry.ranged_symbols for entry in entries)
    most = [deflated + deflated // 256 + SPARE_BYTES, ranged + SPARE_BYTES if ranged else 0]
    is_list = isinstance(declared, list) and [type(length) for length in declared] == [int, int]
    if not is_list or any(not 0 <= n <= m for n, m in zip(declared, most, strict=True)):
        raise ValueError(f"its parts have {declared!r:.60} bytes; allowed: at most {most}")
    return list(declared)


def unpack_content(
    entries: list[Entry], lengths: list[int], content: bytes
) -> Iterator[tuple[str, Tensor]]:
    """Rebuild the tensors one after another, by name, with plain float32 elements.

    Arguments are those of `unpack_stored`.

    Raises:
        ValueError: a part is longer or shorter than its entry says, or an element is not finite;
            zlib has its own errors.
    """
    for name, stored in unpack_stored(entries, lengths, content):
        yield name, finite_values(name, stored)


def unpack_stored(
    entries: list[Entry], lengths: list[int], content: bytes
) -> Iterator[tuple[str, StoredTensor]]:
    """Rebuild the tensors one after another, by name, as they are stored: floats or codes.

    Args:
        entries: how each is stored.
        lengths: of the two parts.
        content: both.

    Raises:
        ValueError: a part is longer or shorter than its entry says; zlib has its own errors.
    """
    first, total = lengths[0], sum(lengths)
    if len(content) != total:
        raise ValueError(f"its parts have {total} bytes, but its content has {len(content)}")
    plain = Inflater(memoryview(content)[:first])
    ranges = RangeReader(memoryview(content)[first:]) if lengths[1] else None
    codebooks: dict[str, Tensor] = {}
    for entry in entries:
        if isinstance(entry, PlainEntry):
            yield entry.name, _read_plain(entry, plain, codebooks)
        else:
            yield entry.name, _read_uniform(entry, plain, ranges)
    plain.check_end()
    if ranges is not None:
        ranges.check_end()


def _choose_coding(name: str, value: UniformTensor) -> UniformEntry:
    """Choose by tensor what takes the fewest bytes."""
    symbols = value.symbols.numpy()
    step = split_step(value.step)
    largest = max(-int(symbols.min(initial=0)), int(symbols.max(initial=0)))
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


def _codebooks_bytes(entries: list[Entry]) -> int:
    bits = {entry.layout.bits for entry in entries if isinstance(entry, PlainEntry)}
    return sum(4 * 2**number for number in bits & {4, 8})


def _read_plain(
    entry: PlainEntry, plain: Inflater, codebooks: dict[str, Tensor]
) -> Tensor | QuantizedTensor:
    tensors = dict(codebooks)
    for part, (dtype, shape) in entry.layout.parts(entry.name, entry.stored).items():
        if part in codebooks:
            continue
        content = plain.take(dtype.itemsize * math.prod(shape))
        empty = torch.empty(0, dtype=dtype)
        flat = torch.frombuffer(content, dtype=dtype) if content else empty
        tensors[part] = flat.reshape(shape)
        if part.startswith("codebook"):
            codebooks[part] = tensors[part]
    return decode_stored(entry.name, entry.layout, tensors)


def _read_uniform(
    entry: UniformEntry, plain: Inflater, ranges: RangeReader | None
) -> UniformTensor:
    if entry.model is None:
        planes = np.frombuffer(plain.take(entry.count * entry.width), np.uint8)
        content = planes.reshape(entry.width, -1).T.tobytes()
        symbols = np.frombuffer(content, SYMBOL_TYPES[entry.width]).astype(np.int32)
    elif entry.model.kind == "constant":
        symbols = np.full(entry.count, entry.model.least, np.int32)
    elif ranges is None:
        raise ValueError(f"tensor {entry.name} is range coded, but nothing is")
    else:
        symbols = ranges.read(entry.model, entry.count)
    return UniformTensor(torch.from_numpy(symbols), entry.step, entry.shape)


class _Deflater:
    """Parts deflated together as they come; codebooks come with every tensor, and stay once.

    Whether the search for repetitions pays is tried on the first of them: in floats that are
    not pruned it takes most of the time, and its finds cost more than they save.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._sample = b""
        self._pieces: list[bytes] = []
        self._deflater: Any = None

    def add(self, name: str, part: bytes) -> None:
        if name in self._names:
            return
        self._names.add(name)
        if self._deflater is not None:
            self._pieces.append(self._deflater.compress(part))
            return
        self._sample += part
        if len(self._sample) >= SAMPLE_BYTES:
            self._start()

    def finish(self) -> list[bytes]:
        if self._deflater is None:
            self._start()
        return [*self._pieces, self._deflater.flush()]

    def _start(self) -> None:
        found = {}
        for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY):
            deflater = zlib.compressobj(9, strategy=strategy)
            pieces = [deflater.compress(self._sample)]
            found[strategy] = len(pieces[0]) + len(deflater.copy().flush()), deflater, pieces
        _, self._deflater, self._pieces = min(found.values(), key=lambda tried: tried[0])
        self._sample = b""
