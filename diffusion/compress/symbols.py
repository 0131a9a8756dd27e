"""How often each symbol of a tensor occurs, told in a few whole numbers, for the range coder.

All weights are whole numbers, worked out without rounding, so that every reader has the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from diffusion.compress.floating import from_minifloat, to_minifloat

ModelKind = Literal["constant", "geometric", "gaussian", "table"]
Counts = np.ndarray  # [symbols] int64, from the least symbol to the most

MOST_SYMBOL = 2**15 - 1  # Wider tensors are not range coded.
MOST_LISTED = 256  # Symbols of a table; longer ones would fill the header.
FIXED_BITS = 16  # Ratios are whole numbers over 2^16.
TOP = 2**30  # The weight of 1 and of -1; that of 0 is told beside them.
BYTES_A_NUMBER = 1.6  # About what a number costs in the deflated header.


@dataclass(frozen=True)
class SymbolModel:
    """Weights of the whole numbers from `least` to `most`.

    Attributes:
        kind: `constant` has one symbol; in `geometric` and `gaussian` the weights of 1, 2, 3, ...
            fall as in these distributions, alike on both sides; `table` lists them.
        parameters: the minifloat of the weight of 0, and the ratio; or minifloats of all weights.
    """

    kind: ModelKind
    least: int
    most: int
    parameters: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(ModelKind):
            raise ValueError(f"kind is {self.kind!r}; allowed: {', '.join(get_args(ModelKind))}")
        if not -MOST_SYMBOL <= self.least <= self.most <= MOST_SYMBOL:
            raise ValueError(f"symbols go from {self.least} to {self.most}; allowed: 16 bits")
        if (self.kind == "constant") != (self.least == self.most):
            raise ValueError(f"kind is {self.kind!r} for {self.least} to {self.most}")
        if self.kind == "table" and self.size > MOST_LISTED:
            raise ValueError(f"table has {self.size} symbols; allowed: at most {MOST_LISTED}")
        number = {"constant": 0, "table": self.size}.get(self.kind, 2)
        if len(self.parameters) != number:
            raise ValueError(f"{self.kind} has {len(self.parameters)} numbers; allowed: {number}")
        bounds = [2**8] * number if self.kind == "table" else [2**8, 2**FIXED_BITS]
        for value, bound in zip(self.parameters, bounds, strict=False):
            if not 0 <= value < bound:
                raise ValueError(
                    f"{self.kind} has the number {value!r:.20}; allowed: below {bound}"
                )

    @property
    def size(self) -> int:
        """The number of symbols."""
        return self.most - self.least + 1

    def weights(self) -> np.ndarray:
        """Return the weight of each symbol, [size] float64, whole and below 2^53."""
        if self.kind == "constant":
            return np.ones(1)
        if self.kind == "table":
            return np.array([from_minifloat(value) for value in self.parameters], float)
        largest = max(-self.least, self.most, 1)
        tail = (_geometric if self.kind == "geometric" else _gaussian)(self.parameters[1], largest)
        zero = from_minifloat(self.parameters[0]) << 22
        sides = np.array([*reversed(tail), zero, *tail], float)
        return sides[largest + self.least : largest + self.most + 1]

    def bits(self, counts: Counts) -> float:
        """Return what symbols that occur so often cost, the model's own numbers included."""
        weights = np.maximum(self.weights(), 2.0**-24)
        shares = np.log2(weights / weights.sum())
        return float(-(counts * shares).sum()) + 8 * BYTES_A_NUMBER * len(self.parameters)


def fit(symbols: np.ndarray) -> SymbolModel:
    """Return the model by which [n] whole numbers, n > 0, within 16 bits cost the fewest bytes."""
    least, most = int(symbols.min()), int(symbols.max())
    if least == most:
        return SymbolModel("constant", least, most)
    counts = np.bincount(symbols - least, minlength=most - least + 1)
    models = [_fit_tail("geometric", least, counts), _fit_tail("gaussian", least, counts)]
    if len(counts) <= MOST_LISTED:
        tops = counts * (from_minifloat(255) / counts.max())
        table = tuple(to_minifloat(float(value)) for value in tops)
        models.append(SymbolModel("table", least, most, table))
    return min(models, key=lambda model: model.bits(counts))


def _fit_tail(kind: ModelKind, least: int, counts: Counts) -> SymbolModel:
    """Fit the ratio by the moments of what is not 0, and then the weight of 0."""
    numbers = np.abs(np.arange(least, least + len(counts)))
    others = counts * (numbers > 0)
    total = max(int(others.sum()), 1)
    if kind == "geometric":
        beyond = float((others * np.maximum(numbers - 1, 0)).sum()) / total
        ratio = beyond / (1 + beyond)
    else:
        ratio = float(np.exp(-0.5 * total / max(float((others * numbers**2).sum()), 1.0)))
    fixed = min(max(round(ratio * 2**FIXED_BITS), 1), 2**FIXED_BITS - 1)
    model = SymbolModel(kind, least, least + len(counts) - 1, (0, fixed))
    tail = float((model.weights() * (numbers > 0)).sum())
    zero = float(counts[numbers == 0].sum()) / total * tail
    return SymbolModel(kind, least, model.most, (to_minifloat(zero / 2**22), fixed))


def _geometric(ratio: int, largest: int) -> list[int]:
    """Return the weights of 1, 2, ... of which each is the one before times the ratio."""
    return _falling(largest, lambda number: ratio)


def _gaussian(ratio: int, largest: int) -> list[int]:
    """Return the weights of 1, 2, ... that are in proportion to ratio^(k^2)."""
    square = max(ratio * ratio >> FIXED_BITS, 1)
    factors = [max(ratio * square >> FIXED_BITS, 1)]  # ratio^3, from 1 to 2
    while len(factors) < largest:
        factors.append(max(factors[-1] * square >> FIXED_BITS, 1))
    return _falling(largest, lambda number: factors[number - 1])


def _falling(largest: int, factor: Callable[[int], int]) -> list[int]:
    weights = [TOP]
    for number in range(1, largest):
        weights.append(max(weights[-1] * factor(number) >> FIXED_BITS, 1))
    return weights
