"""Whole numbers as minifloats: a byte that stands for about one in 3 % of a wide range."""


def from_minifloat(value: int) -> int:
    """Return what a byte stands for: (16 + m) * 2^e with m its low half and e its high half."""
    return (16 + value % 16) << (value // 16)


def to_minifloat(value: float) -> int:
    """Return the byte that stands for the nearest number; the ends stand for all beyond."""
    exponent = 0
    while value > 31.5 * 2**exponent and exponent < 15:
        exponent += 1
    mantissa = min(max(round(value / 2**exponent), 16), 31)
    return 16 * exponent + mantissa - 16
