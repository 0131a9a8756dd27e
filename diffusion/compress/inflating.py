"""Deflated bytes, inflated only as far as they are asked for."""

import zlib

CHUNK_BYTES = 2**16


class Inflater:
    """A zlib stream whose content is taken one part after another."""

    def __init__(self, content: memoryview) -> None:
        self._inflater = zlib.decompressobj()
        self._content, self._position = content, 0

    def take(self, number: int) -> bytearray:
        """Return the next bytes; zlib raises its own errors.

        Raises:
            ValueError: there are fewer.
        """
        taken = bytearray()
        while len(taken) < number:
            piece = self._inflate(number - len(taken))
            if not piece and self._ended:
                raise ValueError("its deflated part is shorter than its tensors")
            taken += piece
        return taken

    def check_end(self) -> None:
        """Raise ValueError unless all was taken, and the stream ends there."""
        while not self._ended:
            if self._inflate(1):
                raise ValueError("its deflated part is longer than its tensors")
        surplus = self._inflater.unused_data or self._position < len(self._content)
        if surplus or not self._inflater.eof:
            raise ValueError("its deflated part does not end where its tensors do")

    @property
    def _ended(self) -> bool:
        left = self._inflater.unconsumed_tail or self._position < len(self._content)
        return self._inflater.eof or not left

    def _inflate(self, most: int) -> bytes:
        content = self._inflater.unconsumed_tail
        if not content:
            end = self._position + CHUNK_BYTES
            content = bytes(self._content[self._position : end])
            self._position = min(end, len(self._content))
        return self._inflater.decompress(content, most)
