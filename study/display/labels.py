"""Labels of points in a plot, placed so that they hide as little as possible."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

# From a point to its label's middle, in widths and heights of the label; the first ones first.
SIDES = ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1.4), (0, -1.4), (1, 2), (1, -2))
GAP = 3.0  # between a point and its label, in pixels
HALF_MARKER = 4.0
Box = tuple[float, float, float, float]


def label_points(
    axes: Axes,
    texts: Sequence[str],
    points: np.ndarray,
    others: np.ndarray,
    font_size: float,
) -> None:
    """Write a label beside each point.

    Args:
        axes: laid out, with their limits and scales as they will be drawn.
        texts: one for each point.
        points: [num_points, 2], in the data's units.
        others: [num_others, 2], what labels should not lie upon, in the data's units.
        font_size: in points.
    """
    scale = axes.figure.dpi / 72
    taken: list[Box] = [
        (x - HALF_MARKER, y - HALF_MARKER, x + HALF_MARKER, y + HALF_MARKER)
        for x, y in axes.transData.transform(np.concatenate([points, others]))
    ]
    for text, point, place in zip(texts, points, axes.transData.transform(points), strict=True):
        width, height = 0.65 * len(text) * font_size * scale, font_size * scale
        boxes = [_beside(place, side, width, height) for side in SIDES]
        best = min(boxes, key=lambda box: sum(_overlap(box, other) for other in taken))
        taken.append(best)
        middle = (best[0] + best[2]) / 2, (best[1] + best[3]) / 2
        label = axes.annotate(
            text,
            point,
            xytext=tuple((middle - place) / scale),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=font_size,
            weight="bold",
            path_effects=[withStroke(linewidth=2, foreground="white")],
            zorder=5,
        )
        label.set_in_layout(False)


def _beside(place: np.ndarray, side: tuple[float, float], width: float, height: float) -> Box:
    """Return the box of a label that lies on one side of a place, in pixels."""
    x = place[0] + side[0] * (width / 2 + GAP + HALF_MARKER)
    y = place[1] + side[1] * (height / 2 + GAP)
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _overlap(box: Box, other: Box) -> float:
    """Return the area that two boxes share."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    return max(width, 0) * max(height, 0)
