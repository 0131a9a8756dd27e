"""Range coding: symbols of many tensors in one stream of 32-bit words (Martin 1979).

The coder is that of the library constriction (Bamler 2022).
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from diffusion.compress.symbols import SymbolModel

WORD_BYTES = 4


class CodingUnavailable(ImportError):
    """The library that codes ranges cannot be imported."""


def encode_ranges(parts: Iterable[tuple[np.ndarray, SymbolModel]]) -> bytes:
    """Code [n] whole numbers after [n] whole numbers, by models of two symbols at least."""
    stream = _import().stream
    encoder = stream.queue.RangeEncoder()
    for symbols, model in parts:
        offsets = (symbols - model.least).astype(np.int32)
        encoder.encode(offsets, _categorical(stream, model))
    return bytes(np.asarray(encoder.get_compressed()).astype("<u4").tobytes())


class RangeReader:
    """A stream of coded symbols, read from its beginning."""

    def __init__(self, content: bytes | memoryview) -> None:
        if len(content) % WORD_BYTES:
            raise ValueError(f"range coded part has {len(content)} bytes; allowed: whole words")
        self._stream = _import().stream
        words = np.frombuffer(content, "<u4").astype(np.uint32)
        self._decoder = self._stream.queue.RangeDecoder(words)

    def read(self, model: SymbolModel, number: int) -> np.ndarray:
        """Return the next symbols, [number] int32.

        Raises:
            ValueError: the stream holds no such symbols.
        """
        try:
            offsets = self._decoder.decode(_categorical(self._stream, model), number)
        except AssertionError as error:
            raise ValueError(f"range coded part cannot be decoded: {error}") from error
        return np.asarray(offsets, np.int32) + np.int32(model.least)

    def check_end(self) -> None:
        """Raise ValueError if words are left that no symbol needs."""
        if not self._decoder.maybe_exhausted():
            raise ValueError("range coded part is longer than its tensors")


def _categorical(stream: Any, model: SymbolModel) -> Any:
    return stream.model.Categorical(model.weights(), perfect=False)


def _import() -> Any:
    try:
        import constriction  # only where it is used: a package without ranges does not need it
    except ImportError as error:
        raise CodingUnavailable(
            f"needs the Python package constriction, which cannot be imported ({error})"
        ) from error
    return constriction
