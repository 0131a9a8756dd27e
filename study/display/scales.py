"""The scales of a plot's axes: what they reach over, and where their ticks stand."""

import math
from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter

from study.results.objectives import OBJECTIVES
from study.results.words import format_bytes, format_count

COUNTS = ("macs", "parameters", "nonzero_parameters")
BYTES = ("size_bytes", "gzip_state_dict_bytes")
NARROWEST = 1.2  # of the largest value on a logarithmic axis to the smallest
MARGIN = 0.05  # of an axis, beyond its values
NEAR = 1.5  # times the range that has to be seen, an axis goes on for what does not
FEWEST_TICKS, MOST_EVEN_TICKS = 3, 6
# Multiples of each power of 10, from few ticks to many.
TICKS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), tuple(range(1, 10)))
INCHES = {"x": 0.062, "y": 0.021}  # that a tick takes along its axis, for each point of its text


def set_limits(axes: Axes, side: str, name: str, seen: np.ndarray, others: np.ndarray) -> None:
    """Scale an axis, by logarithms but for shares and where some values are not above 0.

    Args:
        axes: that have the axis.
        side: x or y.
        name: of the score that it shows.
        seen: [n], values that have to be seen, at least one.
        others: [m], values that are seen where they are near those.
    """
    is_share = name in OBJECTIVES and OBJECTIVES[name].unit == "share"
    is_log = not is_share and bool((seen > 0).all())
    scale = "log" if is_log else "linear"
    axes.set(**{f"{side}scale": scale, f"{side}lim": _ends(seen, others, is_log=is_log)})


def set_ticks(axes: Axes, side: str, name: str, font_size: float) -> None:
    """Set an axis's ticks: as many as there is room for.

    Args:
        axes: laid out, with their limits.
        side: x or y.
        name: of the score that the axis shows.
        font_size: of their text, in points.
    """
    axis, length = {"x": (axes.xaxis, axes.bbox.width), "y": (axes.yaxis, axes.bbox.height)}[side]
    low, high = axis.get_view_interval()
    inches = length / axes.figure.dpi
    room = max(int(inches / (INCHES[side] * font_size)), FEWEST_TICKS)
    make = _log_ticks if axis.get_scale() == "log" else _even_ticks
    axis.set_major_locator(FixedLocator(make(low, high, room)))
    axis.set_major_formatter(FuncFormatter(_writer(name)))
    axis.set_minor_formatter(NullFormatter())


def _ends(seen: np.ndarray, others: np.ndarray, *, is_log: bool) -> tuple[float, float]:
    """Return an axis's ends, some way apart where all values are nearly the same."""
    low, high = float(seen.min()), float(seen.max())
    if is_log:
        low, high = _reaching(low, high, others, low / NEAR, high * NEAR)
        if high < NARROWEST * low:
            low, high = low / NARROWEST, high * NARROWEST
        beyond = (high / low) ** MARGIN
        return low / beyond, high * beyond
    reach = NEAR * (high - low)
    low, high = _reaching(low, high, others, low - reach, high + reach)
    margin = MARGIN * (high - low) or max(abs(high), 1.0) * (NARROWEST - 1)
    return low - margin, high + margin


def _reaching(
    low: float, high: float, others: np.ndarray, least: float, most: float
) -> tuple[float, float]:
    """Return ends that also hold those of the other values that lie from `least` to `most`."""
    near = others[(others >= least) & (others <= most)].tolist()
    return min([low, *near]), max([high, *near])


def _log_ticks(low: float, high: float, room: int) -> list[float]:
    """Return as many ticks as there is room for: multiples of powers of 10, or even steps."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    widest = math.log10(high / low)
    best: list[float] = []
    for multiples in TICKS:
        ticks = [m * 10.0**decade for decade in decades for m in multiples]
        within = [tick for tick in ticks if low <= tick <= high]
        gaps = np.diff(np.log10(within)) if len(within) > 1 else np.array([widest])
        if gaps.min() * room >= widest:
            best = within
    return best if len(best) >= FEWEST_TICKS else _even_ticks(low, high, room)


def _even_ticks(low: float, high: float, most: int) -> list[float]:
    ticks = MaxNLocator(min(most, MOST_EVEN_TICKS), steps=[1, 2, 2.5, 5, 10]).tick_values(
        low, high
    )
    return [float(tick) for tick in ticks if low <= tick <= high]


def _writer(name: str) -> Callable[[float, int], str]:
    """Return what writes an axis's values."""
    if name in BYTES:
        return lambda value, _: format_bytes(value)
    if name in COUNTS:
        return lambda value, _: format_count(value)
    return lambda value, _: f"{value:g}"
