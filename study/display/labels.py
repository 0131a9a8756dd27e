"""Labels of points in a plot: none lies on another one or leaves the axes.

A label that is farther from its point than it could be, or nearer to another one, is joined to
its point by a thin line. Where there is no room for it at all, it is left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation

GAP = 2.0  # between a point's marker and its label, in points
HALF_MARKER = 4.0  # in points
APART = 1.0  # between two labels, in points
# Of places around a point: upwards to the right first, where a front's line never runs.
DIRECTIONS = sorted(
    (math.pi * turn / 8 for turn in range(-6, 10)), key=lambda t: abs(t - math.pi / 4)
)
RINGS = 14  # of places around a point, each farther than the one before
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class _Place:
    """Where a label may stand: its box in pixels, how bad that is, and whether it needs a line."""

    box: Box
    badness: float
    is_far: bool


def label_points(
    axes: Axes,
    texts: Sequence[str],
    points: np.ndarray,
    others: np.ndarray,
    font_size: float,
    weight: str = "bold",
    taken: Sequence[Box] = (),
) -> list[Box]:
    """Write a label beside each point; points in one place share a label.

    Args:
        axes: laid out, with their limits and scales as they will be drawn.
        texts: one for each point, the more important ones first.
        points: [num_points, 2], in the data's units.
        others: [num_others, 2], what labels should not lie upon, in the data's units.
        font_size: in points.
        weight: of the font.
        taken: boxes of labels that are there already, in pixels.

    Returns:
        The boxes of all labels.
    """
    scale = axes.figure.dpi / 72
    shared = _shared(texts, axes.transData.transform(points))
    places = np.array([place for place, _ in shared]).reshape(-1, 2)
    markers = np.concatenate([places, axes.transData.transform(others)])
    boxes = list(taken)
    for number, (place, text) in enumerate(shared):
        label = _write(axes, text, axes.transData.inverted().transform(place), font_size, weight)
        extent = label.get_window_extent()
        size = extent.width + 2 * APART * scale, extent.height + 2 * APART * scale
        free = [
            found
            for found in _around(number, places, markers, size, scale)
            if _is_inside(found.box, axes) and not any(_overlap(found.box, b) for b in boxes)
        ]
        if not free:
            label.remove()
            continue
        best = min(free, key=lambda found: found.badness)
        boxes.append(best.box)
        middle = np.array([best.box[0] + best.box[2], best.box[1] + best.box[3]]) / 2
        label.set_position(tuple((middle - place) / scale))
        if best.is_far:
            _join(axes, middle, place)
    return boxes


def _shared(texts: Sequence[str], places: np.ndarray) -> list[tuple[np.ndarray, str]]:
    """Return each place with the texts of all points that are drawn there."""
    found: dict[tuple[int, int], tuple[np.ndarray, list[str]]] = {}
    for text, place in zip(texts, places, strict=True):
        key = round(place[0]), round(place[1])
        found.setdefault(key, (place, []))[1].append(text)
    return [(place, ", ".join(together)) for place, together in found.values()]


def _write(axes: Axes, text: str, point: np.ndarray, font_size: float, weight: str) -> Annotation:
    label = axes.annotate(
        text,
        tuple(point),
        xytext=(0, 0),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=font_size,
        weight=weight,
        path_effects=[withStroke(linewidth=2, foreground="white")],
        zorder=6,
    )
    label.set_in_layout(False)
    return label


def _around(
    number: int, places: np.ndarray, markers: np.ndarray, size: tuple[float, float], scale: float
) -> list[_Place]:
    """Return where a point's label may stand, in pixels, near places first.

    Args:
        number: of the point among `places`.
        places: [num_points, 2], of all that have labels.
        markers: [num_markers, 2], of all that is drawn.
        size: of the label.
        scale: pixels in a point.
    """
    point, half = places[number], HALF_MARKER * scale
    boxes = [(x - half, y - half, x + half, y + half) for x, y in markers]
    found = []
    for ring in range(RINGS):
        reach = half + GAP * scale + ring * 0.7 * size[1]
        for turn in DIRECTIONS:
            x = point[0] + math.cos(turn) * (size[0] / 2 + reach)
            y = point[1] + math.sin(turn) * (size[1] / 2 + reach)
            box = (x - size[0] / 2, y - size[1] / 2, x + size[0] / 2, y + size[1] / 2)
            hidden = sum(_overlap(box, other) for other in boxes) / (4 * half * half)
            nearest = int(np.hypot(*(places - (x, y)).T).argmin())
            is_far = ring > 1 or nearest != number
            found.append(_Place(box, 4 * hidden + ring + 3 * (nearest != number), is_far))
    return found


def _join(axes: Axes, middle: np.ndarray, place: np.ndarray) -> None:
    """Draw a thin line from a label to its point, below both."""
    x, y = axes.transData.inverted().transform([middle, place]).T
    line = Line2D(x, y, color="#777777", linewidth=0.6, zorder=2.5)
    line.set_in_layout(False)
    axes.add_artist(line)


def _is_inside(box: Box, axes: Axes) -> bool:
    left, bottom, right, top = map(float, axes.bbox.extents)
    return left <= box[0] and bottom <= box[1] and box[2] <= right and box[3] <= top


def _overlap(box: Box, other: Box) -> float:
    """Return the area that two boxes share."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    return max(width, 0) * max(height, 0)
