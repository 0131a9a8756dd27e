"""What a package must hold, worked out from its recipe before anything is allocated for it."""

import dataclasses
import json
import math
from typing import Any

import torch
from torch import nn

from diffusion.compress.coding import Layout
from diffusion.compress.quantize import covered_bits
from diffusion.networks import build_network
from diffusion.recipe import Recipe

# A package of 250 million float32 parameters has 1 GB, and reading it takes four times that.
MAX_PARAMETERS = 250_000_000
MAX_FILE_BYTES = 5 * MAX_PARAMETERS  # Four a parameter, the masks, and what does not deflate.
PART_HEADER_BYTES = 128  # safetensors: a part's type, shape and offsets, without its name.


def check_parameters(parameters: int) -> None:
    """Raise ValueError if a network is too large for a package."""
    if parameters > MAX_PARAMETERS:
        raise ValueError(
            f"its network has {parameters} parameters; allowed: at most {MAX_PARAMETERS}"
        )


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
    network = _shapes_of(recipe)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    check_parameters(sum(map(math.prod, shapes.values())))
    if not isinstance(declared, dict):
        raise ValueError(f"its tensors are {declared!r}; allowed: an object")
    if odd := sorted(declared.keys() ^ shapes.keys()):
        raise ValueError(f"tensor {odd[0]!r} is in the header or in the network, not in both")
    bits = covered_bits(network, recipe.compression.quantization)
    return {
        name: _read_layout(name, declared[name], shape, bits.get(name, 32))
        for name, shape in shapes.items()
    }


def part_names(layouts: dict[str, Layout]) -> set[str]:
    """Name the parts of all tensors."""
    return {part for name, layout in layouts.items() for part in layout.parts(name, 0)}


def most_weights_bytes(layouts: dict[str, Layout]) -> int:
    """Return the most bytes that the file of all parts may have."""
    parts = {
        part: dtype.itemsize * math.prod(shape)
        for name, layout in layouts.items()
        for part, (dtype, shape) in layout.parts(name, layout.count).items()
    }
    return sum(len(part) + PART_HEADER_BYTES + size for part, size in parts.items())


def _shapes_of(recipe: Recipe) -> nn.Module:
    """Build a recipe's network without memory for its weights."""
    with torch.device("meta"):
        return build_network(recipe.network, recipe.data)


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
