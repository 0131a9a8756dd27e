"""How one tensor is stored: its parts, which are tensors too, and the way back from them.

Zeros are kept as a bit mask, floats as four planes of bytes and 4-bit codes two a byte, because
those deflate best. Reading checks every part's type and shape, so that nothing is broadcast.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffusion.compress.quantize import (
    BLOCK_SIZES,
    QuantizedTensor,
    finite_values,
    pack_nibbles,
    unpack_nibbles,
)

# The types of floats, and of their bits as whole numbers, by how many bits they have.
FLOATS = {32: (torch.float32, torch.int32), 16: (torch.float16, torch.int16)}
SPARSE_FROM = 1 / 16  # Share of zeros from which a mask is worth its bits.


@dataclass(frozen=True)
class Layout:
    """How a tensor is stored.

    Attributes:
        shape: of the tensor.
        bits: 32 or 16 for floats, 8 or 4 for codes.
        sparse: whether its zeros are left out, and a mask says where they were.
    """

    shape: tuple[int, ...]
    bits: int
    sparse: bool

    @property
    def count(self) -> int:
        """Elements of the tensor, zeros among them."""
        return math.prod(self.shape)

    def parts(self, name: str, kept: int) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
        """Return the type and shape of each part, by its name.

        Args:
            name: of the tensor.
            kept: how many of its elements are stored.
        """
        parts: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {}
        if self.sparse:
            parts[f"{name}.mask"] = torch.uint8, (math.ceil(self.count / 8),)
        if self.bits in FLOATS:
            parts[name] = torch.uint8, (self.bits // 8, kept)
        else:
            blocks = math.ceil(self.count / BLOCK_SIZES[self.bits])
            parts[name] = torch.uint8, (math.ceil(kept * self.bits / 8),)
            parts[f"{name}.scales"] = torch.float32, (blocks,)
            parts[f"codebook{self.bits}"] = torch.float32, (2**self.bits,)
        return parts


def encode(name: str, value: Tensor | QuantizedTensor, tensors: dict[str, Tensor]) -> Layout:
    """Add a tensor's parts to `tensors` and return how they are to be read."""
    if isinstance(value, QuantizedTensor):
        bits, shape, elements = value.bits, value.shape, value.codes
        zero = int((value.codebook == 0).nonzero()[0])
        tensors[f"{name}.scales"] = value.scales
        tensors[f"codebook{bits}"] = value.codebook
    else:
        elements = value.flatten() if value.dtype == torch.float16 else value.float().flatten()
        bits, shape, zero = 8 * elements.element_size(), tuple(value.shape), 0
    # A float's bits decide, not its value, so that -0.0 survives.
    keep = (elements.view(FLOATS[bits][1]) if bits in FLOATS else elements) != zero
    sparse = bool((~keep).sum() > SPARSE_FROM * max(elements.numel(), 1))
    if sparse:
        tensors[f"{name}.mask"] = torch.from_numpy(np.packbits(keep.numpy()))
        elements = elements[keep]
    if bits in FLOATS:
        planes = elements.contiguous().view(torch.uint8).reshape(-1, bits // 8)
        tensors[name] = planes.T.contiguous()
    else:
        tensors[name] = pack_nibbles(elements) if bits == 4 else elements
    return Layout(shape, bits, sparse)


def decode(name: str, layout: Layout, tensors: Mapping[str, Tensor]) -> Tensor:
    """Rebuild a tensor, with plain float32 elements, from its parts.

    Raises:
        ValueError: a part is missing or not as the layout says, or an element is not finite.
    """
    return finite_values(name, decode_stored(name, layout, tensors))


def decode_stored(
    name: str, layout: Layout, tensors: Mapping[str, Tensor]
) -> Tensor | QuantizedTensor:
    """Rebuild a tensor as it is stored, of floats or codes; they may not be finite.

    Raises:
        ValueError: a part is missing or not as the layout says.
    """
    keep = _read_mask(name, layout, tensors)
    for part, (dtype, shape) in layout.parts(name, int(keep.sum())).items():
        _check_part(part, tensors, dtype, shape)
    values = _decode_floats if layout.bits in FLOATS else _decode_codes
    return values(name, layout, keep, tensors)


def _read_mask(name: str, layout: Layout, tensors: Mapping[str, Tensor]) -> Tensor:
    """Return which elements are stored, [n] bool."""
    if not layout.sparse:
        return torch.ones(layout.count, dtype=torch.bool)
    part = f"{name}.mask"
    _check_part(part, tensors, *layout.parts(name, 0)[part])
    mask = np.unpackbits(tensors[part].numpy())
    if mask[layout.count :].any():
        raise ValueError(f"tensor {part} keeps more than {layout.count} elements")
    return torch.from_numpy(mask[: layout.count]).bool()


def _check_part(
    part: str, tensors: Mapping[str, Tensor], dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    if part not in tensors:
        raise ValueError(f"tensor {part} is missing")
    found = tensors[part]
    if found.dtype != dtype or tuple(found.shape) != shape:
        raise ValueError(
            f"tensor {part} is {found.dtype} {list(found.shape)}; allowed: {dtype} {list(shape)}"
        )


def _decode_floats(
    name: str, layout: Layout, keep: Tensor, tensors: Mapping[str, Tensor]
) -> Tensor:
    elements = torch.zeros(layout.count)
    elements[keep] = tensors[name].T.flatten().view(FLOATS[layout.bits][0]).float()
    return elements.reshape(layout.shape)


def _decode_codes(
    name: str, layout: Layout, keep: Tensor, tensors: Mapping[str, Tensor]
) -> QuantizedTensor:
    codebook = tensors[f"codebook{layout.bits}"]
    zeros = (codebook == 0).nonzero()
    if not len(zeros):
        raise ValueError(f"tensor codebook{layout.bits} has no 0; allowed: one")
    codes = torch.full((layout.count,), int(zeros[0]), dtype=torch.uint8)
    stored = tensors[name]
    codes[keep] = unpack_nibbles(stored, int(keep.sum())) if layout.bits == 4 else stored
    scales = tensors[f"{name}.scales"]
    return QuantizedTensor(codes, scales, codebook, layout.shape)
