"""How each tensor of a package is stored: its line in the header, written and checked.

A line is a list: name, shape, coding, and what the coding needs to be read.
"""

import math
from dataclasses import dataclass
from typing import Any

from torch import nn

from diffusion.compress.coding import Layout
from diffusion.compress.quantize import covered_bits
from diffusion.compress.symbols import SymbolModel
from diffusion.compress.uniform import covered_names
from diffusion.recipe import Quantization

FLOAT_BITS = {"float32": 32, "float16": 16}
CODE_BITS = {"code8": 8, "code4": 4}
RANGE, DEFLATE = "range", "deflate"
LEAST_EXPONENT, MOST_EXPONENT = -140, 100  # Of steps: 2^15 times the largest is a float32.
WIDTHS = (1, 2, 4)  # Bytes of a symbol that is deflated.
STEP_MANTISSAS = range(16, 32)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class PlainEntry:
    """A tensor of floats or codes, deflated.

    Attributes:
        kept: elements that are stored, where a mask says which; None for all, without a mask.
    """

    name: str
    layout: Layout
    kept: int | None

    @property
    def stored(self) -> int:
        """How many elements are stored."""
        return self.layout.count if self.kept is None else self.kept

    @property
    def deflated_bytes(self) -> int:
        """What its parts take before they are deflated, without the codebook of all tensors."""
        parts = self.layout.parts(self.name, self.stored)
        return sum(
            dtype.itemsize * math.prod(shape)
            for part, (dtype, shape) in parts.items()
            if not part.startswith("codebook")
        )

    @property
    def ranged_symbols(self) -> int:
        """How many symbols are range coded."""
        return 0

    def to_list(self) -> list[Any]:
        """Return the line, ready for JSON."""
        names = {bits: name for name, bits in {**FLOAT_BITS, **CODE_BITS}.items()}
        return [self.name, list(self.layout.shape), names[self.layout.bits], self.kept]


@dataclass(frozen=True)
class UniformEntry:
    """A tensor of whole multiples of a step.

    Attributes:
        mantissa, exponent: the step is mantissa * 2^exponent.
        model: of the symbols where they are range coded.
        width: bytes of each symbol where they are deflated.
    """

    name: str
    shape: Shape
    mantissa: int
    exponent: int
    model: SymbolModel | None = None
    width: int = 0

    @property
    def count(self) -> int:
        """The number of symbols."""
        return math.prod(self.shape)

    @property
    def step(self) -> float:
        """The distance of neighbouring values."""
        return math.ldexp(self.mantissa, self.exponent)

    @property
    def deflated_bytes(self) -> int:
        """What its symbols take before they are deflated."""
        return self.count * self.width

    @property
    def ranged_symbols(self) -> int:
        """How many symbols are range coded."""
        return self.count if self.model and self.model.kind != "constant" else 0

    def to_list(self) -> list[Any]:
        """Return the line, ready for JSON."""
        model = self.model
        if model is None:
            how: list[Any] = [DEFLATE, self.mantissa, self.exponent, self.width]
        else:
            bounds = [model.kind, model.least, model.most, *model.parameters]
            how = [RANGE, self.mantissa, self.exponent, *bounds]
        return [self.name, list(self.shape), *how]


Entry = PlainEntry | UniformEntry


def split_step(step: float) -> tuple[int, int]:
    """Return mantissa and exponent of a step of the grid (see `grid_step`).

    Raises:
        ValueError: it is none.
    """
    fraction, exponent = math.frexp(step)  # step = fraction * 2^exponent, from 1/2 to below 1
    mantissa, exponent = fraction * 32, exponent - 5
    within = LEAST_EXPONENT <= exponent <= MOST_EXPONENT
    if mantissa not in STEP_MANTISSAS or not within:  # also NaN and infinity
        raise ValueError(
            f"step is {step}; allowed: a whole number from 16 to 31 times 2^e with e from "
            f"{LEAST_EXPONENT} to {MOST_EXPONENT}"
        )
    return int(mantissa), exponent


def read_entries(
    declared: Any, network: nn.Module, shapes: dict[str, Shape], quantization: Quantization
) -> list[Entry]:
    """Check how a header says that the tensors are stored.

    Args:
        declared: the lines as parsed from JSON.
        network: of the recipe, without memory for its weights.
        shapes: of its tensors, in its order.
        quantization: of the recipe.

    Raises:
        ValueError: a line is not what the network and its quantization ask for.
    """
    if not isinstance(declared, list) or len(declared) != len(shapes):
        raise ValueError(f"its header lists no {len(shapes)} tensors, which its network has")
    uniform = set(covered_names(network)) if quantization == "uniform" else set()
    bits = covered_bits(network, quantization)
    entries: list[Entry] = []
    for line, (name, shape) in zip(declared, shapes.items(), strict=True):
        _check_begin(line, name, shape)
        if name in uniform:
            entries.append(_read_uniform(name, shape, line[2:]))
        else:
            allowed = FLOAT_BITS if quantization == "uniform" else {"float32": 32}
            codes = {coding: b for coding, b in CODE_BITS.items() if b == bits.get(name)}
            entries.append(_read_plain(name, shape, line[2:], codes or allowed))
    return entries


def _check_begin(line: Any, name: str, shape: Shape) -> None:
    begin = line[:2] if isinstance(line, list) else line
    # As text, because 1, 1.0 and true are equal, but not the same in JSON.
    if repr(begin) != repr([name, list(shape)]):
        raise ValueError(f"tensor {name} of shape {list(shape)} is described as {begin!r:.80}")


def _read_plain(name: str, shape: Shape, how: list[Any], allowed: dict[str, int]) -> PlainEntry:
    if len(how) != 2 or not isinstance(how[0], str) or how[0] not in allowed:
        raise ValueError(f"tensor {name} is stored as {how!r:.80}; allowed: {', '.join(allowed)}")
    coding, kept = how
    layout = Layout(shape, allowed[coding], sparse=kept is not None)
    if kept is not None:
        _check_whole(f"tensor {name} keeps", kept, 0, layout.count)
    return PlainEntry(name, layout, kept)


def _read_uniform(name: str, shape: Shape, how: list[Any]) -> UniformEntry:
    if len(how) < 4 or how[0] not in (RANGE, DEFLATE):
        raise ValueError(f"tensor {name} is stored as {how!r:.80}; allowed: {RANGE}, {DEFLATE}")
    coding, mantissa, exponent, *rest = how
    label = f"tensor {name} has the step"
    _check_whole(label, mantissa, STEP_MANTISSAS.start, STEP_MANTISSAS.stop - 1)
    _check_whole(f"{label} exponent", exponent, LEAST_EXPONENT, MOST_EXPONENT)
    if coding == DEFLATE:
        if len(rest) != 1 or type(rest[0]) is not int or rest[0] not in WIDTHS:
            raise ValueError(f"tensor {name} has symbols of {rest!r:.40} bytes; allowed: 1, 2, 4")
        return UniformEntry(name, shape, mantissa, exponent, width=rest[0])
    kind, *numbers = rest
    if len(numbers) < 2:
        raise ValueError(f"tensor {name} has the symbols {rest!r:.80}; allowed: two bounds")
    if not isinstance(kind, str) or any(type(number) is not int for number in numbers):
        raise ValueError(f"tensor {name} has the symbols {rest!r:.80}; allowed: whole numbers")
    least, most, *parameters = numbers
    model = SymbolModel(kind, least, most, tuple(parameters))  # type: ignore[arg-type]
    return UniformEntry(name, shape, mantissa, exponent, model)


def _check_whole(label: str, value: Any, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{label} {value!r:.40}; allowed: from {least} to {most}")
