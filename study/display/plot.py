"""The picture of a front: quality against cost, every scored trial and the front's line.

FID against size is drawn large; each further objective has a small panel, in which a cost stands
against the FID, and a quality against the size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.display.labels import label_points
from study.display.panels import Panel, make_panels
from study.display.picture_file import picture_bytes
from study.display.scales import set_limits, set_ticks
from study.display.series import PALE, WORSE_THAN_NOISE, Series, on_front, places, series_of
from study.results.objectives import OBJECTIVES
from study.results.rows import FrontRow, drawn_images
from study.run.run import Run

RING: dict[str, Any] = {"facecolors": "none", "edgecolors": "black", "s": 70, "zorder": 4}
EDGE = 0.985  # of an axis, where what lies beyond it is marked


@dataclass(frozen=True)
class View:
    """What a picture shows beyond the front.

    Attributes:
        axes: scores along x and y of its one panel; None for FID against size and a panel for
            each further objective.
        published: what others measured.
        only_front: whether the trials that are not on the front are left out.
    """

    axes: tuple[str, str] | None = None
    published: tuple[Series, ...] = ()
    only_front: bool = False


WHOLE = View()


def plot_front(
    run: Run, front: Sequence[FrontRow], view: View = WHOLE, suffix: str = ".png"
) -> bytes:
    """Return the picture of a run's front; the same front gives the same bytes.

    Args:
        run: has complete trials, and perhaps some that were stopped early.
        front: its rows, smallest first; at least one.
        view: what is shown.
        suffix: of the file: .png, .svg or .pdf.
    """
    return picture_bytes(draw_front(run, front, view), suffix)


def draw_front(run: Run, front: Sequence[FrontRow], view: View = WHOLE) -> Figure:
    """Draw a run's front, among all of its trials.

    Args:
        run: has complete trials, and perhaps some that were stopped early.
        front: its rows, smallest first; at least one.
        view: what is shown.

    Returns:
        A figure whose first axes hold FID against size, or what the view asks for, the others
        an objective each.

    Raises:
        ValueError: no model of the front has both scores of an axis.
    """
    figure = Figure(dpi=120, layout="constrained")
    FigureCanvasAgg(figure)  # measures its text
    panels = make_panels(figure, run.objectives, view.axes)
    own = series_of(run)
    series = [*(on_front(own, front) if view.only_front else own), *view.published]
    beyond = 0
    for panel in panels:
        _set_limits(panel, series, front)
        beyond += _draw(panel, series, front)
    _draw_line(panels[0], front)
    panels[0].axes.set_title(_title(run, front), fontsize=11)
    _add_legend(figure, panels[0].axes, beyond)
    figure.draw_without_rendering()  # lays out: then it is known how many ticks there is room for
    for panel in panels:
        set_ticks(panel.axes, "x", panel.x, panel.font_size)
        set_ticks(panel.axes, "y", panel.y, panel.font_size)
    figure.draw_without_rendering()  # and then, which labels would lie on each other
    for panel in panels:
        _label(panel, series, front)
    return figure


def _title(run: Run, front: Sequence[FrontRow]) -> str:
    return (
        f"{len(front)} of {len(run.complete())} complete trials on the front "
        f"(FID of {drawn_images(front[0])}, bars: 95 %)"
    )


def _set_limits(panel: Panel, series: Sequence[Series], front: Sequence[FrontRow]) -> None:
    """Scale both axes to what has to be seen: all but what is aside."""
    points = places(front, panel.x, panel.y)
    if not len(points):
        raise ValueError(f"no model of the front has {panel.x} and {panel.y}; allowed: other axes")
    seen, others = [points], [np.empty((0, 2))]
    for group in series:
        (others if group.is_aside else seen).append(places(group.rows, panel.x, panel.y))
    for number, (side, name) in enumerate((("x", panel.x), ("y", panel.y))):
        values = [part[:, number] for part in seen]
        if (panel.x, panel.y)[number] == "fid":
            values.append(_interval_ends(front))
        aside = np.concatenate(others)[:, number]
        set_limits(panel.axes, side, name, np.concatenate(values), aside)


def _interval_ends(front: Sequence[FrontRow]) -> np.ndarray:
    ends = [row[end] for row in front for end in ("fid_low", "fid_high") if row[end] is not None]
    return np.array([end for end in ends if end > 0], dtype=np.float64)


def _draw(panel: Panel, series: Sequence[Series], front: Sequence[FrontRow]) -> int:
    """Draw every trial, with a ring around those on the front; return how many lie beyond."""
    beyond = 0
    for group in series:
        points = places(group.rows, panel.x, panel.y)
        within = _within(panel.axes, points) if group.is_aside else np.ones(len(points), bool)
        panel.axes.scatter(*points[within].T, label=group.label, zorder=2, **group.style)
        for point in points[~within]:
            _mark_beyond(panel.axes, point, str(group.style["color"]))
        beyond += int((~within).sum())
    panel.axes.scatter(*places(front, panel.x, panel.y).T, label="on the front", **RING)
    return beyond


def _within(axes: Axes, points: np.ndarray) -> np.ndarray:
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    x, y = points.T
    return np.asarray((left <= x) & (x <= right) & (bottom <= y) & (y <= top))


def _mark_beyond(axes: Axes, point: np.ndarray, colour: str) -> None:
    """Mark at the edge of the axes where a point lies beyond them."""
    x, y = axes.transAxes.inverted().transform(axes.transData.transform(point))
    marker = "^" if y > 1 else "v" if y < 0 else ">" if x > 1 else "<"
    place = [min(max(share, 1 - EDGE), EDGE) for share in (x, y)]
    style: dict[str, Any] = {"marker": marker, "s": 22, "color": colour, "zorder": 2}
    axes.scatter(place[0], place[1], transform=axes.transAxes, **style)


def _draw_line(panel: Panel, front: Sequence[FrontRow]) -> None:
    """Draw the front's staircase, with the interval of each FID below the markers."""
    x, y = places(front, panel.x, panel.y).T
    if panel.y == "fid":
        rows = [row for row in front if row.get(panel.x) is not None]
        bars = [
            [_reach(row, "fid_low") for row in rows],
            [_reach(row, "fid_high") for row in rows],
        ]
        panel.axes.errorbar(
            x, y, yerr=bars, fmt="none", ecolor="#555555", elinewidth=0.9, capsize=2, zorder=1.5
        )
    is_cost = panel.x in OBJECTIVES and not OBJECTIVES[panel.x].maximize
    if not is_cost or panel.y not in OBJECTIVES:
        return  # which of two points is better is not known, or not to be seen
    # Between two points a user gets the smaller model's quality: a staircase. With objectives of
    # more kinds, points lie above it.
    order = np.argsort(x, kind="stable")
    best = np.maximum if OBJECTIVES[panel.y].maximize else np.minimum
    heights = best.accumulate(y[order])
    panel.axes.step(x[order], heights, where="post", color="black", linewidth=1, zorder=1.8)


def _reach(row: FrontRow, end: str) -> float:
    """Return how far an end of a FID's interval lies; 0 where a trial has no interval."""
    return 0.0 if row[end] is None else abs(row[end] - row["fid"])


def _add_legend(figure: Figure, axes: Axes, beyond: int) -> None:
    """Explain the markers beside the panels, which share them."""
    drawn = {
        group.get_label()
        for panel in figure.axes
        for group in panel.collections
        if isinstance(group, PathCollection) and np.size(group.get_offsets())
    }
    pairs = zip(*axes.get_legend_handles_labels(), strict=True)
    shown = [(handle, label) for handle, label in pairs if label in drawn]
    if beyond:
        mark = Line2D([], [], marker="^", color=PALE, linestyle="none", markersize=5)
        shown.append((mark, f"{WORSE_THAN_NOISE}, beyond the axes"))
    handles, labels = zip(*shown, strict=True)
    title = "architecture, quantization"
    figure.legend(
        handles, labels, loc="outside right upper", fontsize=7, title=title, title_fontsize=7
    )


def _label(panel: Panel, series: Sequence[Series], front: Sequence[FrontRow]) -> None:
    """Write each front point's rank beside it, off the other points, and what others are named."""
    drawn = [places(group.rows, panel.x, panel.y) for group in series]
    others = np.concatenate([places(front, panel.x, panel.y), *drawn])
    points, ranks = _named(front, [str(row["rank"]) for row in front], panel)
    taken = label_points(panel.axes, ranks, points, others, panel.font_size)
    for group in series:
        if group.names:
            points, names = _named(group.rows, group.names, panel)
            size = panel.font_size - 2
            taken = label_points(panel.axes, names, points, others, size, "normal", taken)


def _named(
    rows: Sequence[FrontRow], names: Sequence[str], panel: Panel
) -> tuple[np.ndarray, list[str]]:
    """Return where those rows stand that have both scores, and their names."""
    found = [places([row], panel.x, panel.y) for row in rows]
    kept = [name for name, place in zip(names, found, strict=True) if len(place)]
    return np.concatenate([np.empty((0, 2)), *found]), kept
