"""Packages of format 1: read, no longer written.

Their second member is a safetensors file of all parts, named after their tensors.
"""

import dataclasses
import json
import math
from collections.abc import Iterable
from typing import Any

import safetensors.torch
from torch import Tensor

from diffusion.compress.archive import FORMAT1_WEIGHTS, ReadMember
from diffusion.compress.coding import Layout, decode
from diffusion.compress.header import check_format1_hashes
from diffusion.compress.limits import network_shapes
from diffusion.compress.quantize import covered_bits
from diffusion.recipe import Recipe

PART_HEADER_BYTES = 128  # safetensors: a part's type, shape and offsets, without its name.


def read_format1(
    header: dict[str, Any], recipe: Recipe, read: ReadMember
) -> tuple[Iterable[tuple[str, Tensor]], bool]:
    """Return a package's tensors by name, and whether its header had the hashes that verify them.

    Raises:
        ValueError: a tensor is not what the recipe's network has; safetensors has its own errors.
    """
    layouts = read_layouts(recipe, header["tensors"])
    weights = read(FORMAT1_WEIGHTS, most_weights_bytes(layouts))
    verified = check_format1_hashes(header, weights)
    tensors = safetensors.torch.load(weights)
    names = {part for name, layout in layouts.items() for part in layout.parts(name, 0)}
    if odd := sorted(tensors.keys() ^ names):
        raise ValueError(f"tensor {odd[0]!r} is missing, or is one too many")
    decoded = ((name, decode(name, layout, tensors)) for name, layout in layouts.items())
    return decoded, verified


def read_layouts(recipe: Recipe, declared: Any) -> dict[str, Layout]:
    """Check how a header says that the tensors are stored against the recipe's network.

    Args:
        recipe: of the header.
        declared: `shape`, `bits` and `sparse` by tensor, as parsed from JSON.

    Returns:
        The layouts in the network's order.

    Raises:
        ValueError: the network cannot be built or is too large, or a layout is not its own.
    """
    network, shapes = network_shapes(recipe)
    if not isinstance(declared, dict):
        raise ValueError(f"its tensors are {declared!r}; allowed: an object")
    if odd := sorted(declared.keys() ^ shapes.keys()):
        raise ValueError(f"tensor {odd[0]!r} is in the header or in the network, not in both")
    bits = covered_bits(network, recipe.compression.quantization)
    return {
        name: _read_layout(name, declared[name], shape, bits.get(name, 32))
        for name, shape in shapes.items()
    }


def most_weights_bytes(layouts: dict[str, Layout]) -> int:
    """Return the most bytes that the file of all parts may have."""
    parts = {
        part: dtype.itemsize * math.prod(shape)
        for name, layout in layouts.items()
        for part, (dtype, shape) in layout.parts(name, layout.count).items()
    }
    return sum(len(part) + PART_HEADER_BYTES + size for part, size in parts.items())


def _read_layout(name: str, declared: Any, shape: tuple[int, ...], bits: int) -> Layout:
    # As text, because 1, 1.0 and true are equal, but not the same in JSON.
    found = json.dumps(declared, sort_keys=True)
    for sparse in (False, True):
        layout = Layout(shape, bits, sparse)
        if found == json.dumps(dataclasses.asdict(layout), sort_keys=True):
            return layout
    raise ValueError(
        f"tensor {name} is stored as {found}; allowed: shape {list(shape)}, bits {bits}, sparse "
        "true or false"
    )
