"""The picture of a front: quality against cost, every scored trial and the front's line.

FID against size is drawn large; each further objective has a small panel, in which a cost stands
against the FID, and a quality against the size.
"""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from study.display.labels import label_points
from study.display.series import Series, places, series_of
from study.results.objectives import DEFAULT_OBJECTIVES, OBJECTIVES
from study.results.rows import FrontRow, drawn_images
from study.results.words import format_bytes, format_count
from study.run.run import Run

COUNTS = ("macs", "parameters", "nonzero_parameters")
COSTS = (*COUNTS, "latency_ms")
TITLES = {"fid": "FID", "size_bytes": "size of the model file"}
WIDTH, MAIN_HEIGHT, PANEL_HEIGHT = 9.5, 5.0, 2.7  # inches
MOST_A_ROW = 3
NARROWEST = 1.2  # of the largest value on an axis to the smallest
RING: dict[str, Any] = {"facecolors": "none", "edgecolors": "black", "s": 70, "zorder": 4}


@dataclass(frozen=True)
class Panel:
    """One score against another.

    Attributes:
        x, y: names of scores.
        axes: where they are drawn.
        font_size: of its text, in points.
    """

    x: str
    y: str
    axes: Axes
    font_size: float


def plot_front(run: Run, front: Sequence[FrontRow]) -> bytes:
    """Return the picture of a run's front, as a PNG.

    Args:
        run: has complete trials, and perhaps some that were stopped early.
        front: its rows, smallest first; at least one.
    """
    content = io.BytesIO()
    draw_front(run, front).savefig(content, format="png")
    return content.getvalue()


def draw_front(run: Run, front: Sequence[FrontRow]) -> Figure:
    """Draw a run's front, among all of its trials.

    Args:
        run: has complete trials, and perhaps some that were stopped early.
        front: its rows, smallest first; at least one.

    Returns:
        A figure whose first axes hold FID against size, the others an objective each.
    """
    figure = Figure(dpi=120, layout="constrained")
    panels = _panels(figure, run.objectives)
    main, series = panels[0].axes, series_of(run)
    for panel in panels:
        _draw(panel, series, front)
    _draw_line(main, front)
    for panel in panels:
        _scale(panel, series)
    main.set_title(
        f"{len(front)} of {len(run.complete())} complete trials on the front "
        f"(FID of {drawn_images(front[0])}, bars: 95 %)"
    )
    _add_legend(figure, main)
    figure.draw_without_rendering()  # lays out: then it is known which labels lie on each other
    for panel in panels:
        _label(panel, series, front)
    return figure


def _panels(figure: Figure, objectives: Sequence[str]) -> list[Panel]:
    """Divide a figure: the large panel first, then one for each further objective."""
    further = [name for name in objectives if name not in DEFAULT_OBJECTIVES]
    columns = 2 if len(further) in (2, 4) else max(min(len(further), MOST_A_ROW), 1)
    rows = math.ceil(len(further) / columns)
    figure.set_size_inches(WIDTH, MAIN_HEIGHT + rows * PANEL_HEIGHT)
    heights = [MAIN_HEIGHT, *[PANEL_HEIGHT] * rows]
    grid = figure.add_gridspec(1 + rows, columns, height_ratios=heights)
    panels = [Panel("size_bytes", "fid", figure.add_subplot(grid[0, :]), 9)]
    for position, name in enumerate(further):
        x, y = (name, "fid") if name in COSTS else ("size_bytes", name)
        place = grid[1 + position // columns, position % columns]
        panels.append(Panel(x, y, figure.add_subplot(place), 7))
    return panels


def _draw(panel: Panel, series: Sequence[Series], front: Sequence[FrontRow]) -> None:
    """Draw every trial, with a ring around those on the front."""
    axes = panel.axes
    for group in series:
        axes.scatter(*places(group.rows, panel.x, panel.y).T, label=group.label, **group.style)
    axes.scatter(*places(front, panel.x, panel.y).T, label="on the front", **RING)
    axes.set_xlabel(TITLES.get(panel.x, panel.x), fontsize=panel.font_size + 1)
    axes.set_ylabel(TITLES.get(panel.y, panel.y), fontsize=panel.font_size + 1)
    axes.tick_params(labelsize=panel.font_size)
    axes.grid(visible=True, alpha=0.3)


def _scale(panel: Panel, series: Sequence[Series]) -> None:
    """Scale both axes by logarithms, but for shares and where some values are not above 0."""
    axes = panel.axes
    drawn = np.concatenate([places(group.rows, panel.x, panel.y) for group in series])
    x_is_log, y_is_log = _is_log(panel.x, drawn[:, 0]), _is_log(panel.y, drawn[:, 1])
    axes.set(xscale="log" if x_is_log else "linear", yscale="log" if y_is_log else "linear")
    inches = axes.bbox.width / axes.figure.dpi, axes.bbox.height / axes.figure.dpi
    if x_is_log:
        axes.set_xlim(*_widened(*axes.get_xlim()))
        axes.xaxis.set_major_locator(_ticks(*axes.get_xlim(), inches[0]))
    if y_is_log:
        axes.set_ylim(*_widened(*axes.get_ylim()))
        axes.yaxis.set_major_locator(_ticks(*axes.get_ylim(), inches[1]))
    for axis, name in ((axes.xaxis, panel.x), (axes.yaxis, panel.y)):
        axis.set_major_formatter(FuncFormatter(_writer(name)))
        axis.set_minor_formatter(NullFormatter())


def _is_log(name: str, values: np.ndarray) -> bool:
    is_share = name in OBJECTIVES and OBJECTIVES[name].unit == "share"
    return not is_share and bool((values > 0).all())


def _widened(low: float, high: float) -> tuple[float, float]:
    """Return an axis's limits, some way apart where all values are nearly the same."""
    return (low, high) if high > NARROWEST * low else (low / NARROWEST, high * NARROWEST)


def _ticks(low: float, high: float, inches: float) -> LogLocator:
    """Return ticks at as many multiples of each power of 10 as there is room for."""
    room = inches / math.log10(high / low)
    return LogLocator(subs=(1, 2, 5) if room > 1.8 else (1, 3) if room > 0.8 else (1,))


def _writer(name: str) -> Callable[[float, int], str]:
    """Return what writes an axis's values."""
    if name == "size_bytes":
        return lambda value, _: format_bytes(value)
    if name in COUNTS:
        return lambda value, _: format_count(value)
    return lambda value, _: f"{value:g}"


def _reach(row: FrontRow, end: str) -> float:
    """Return how far an end of a FID's interval lies; 0 where a trial has no interval."""
    return 0.0 if row[end] is None else abs(row[end] - row["fid"])


def _draw_line(axes: Axes, front: Sequence[FrontRow]) -> None:
    """Draw the front's staircase, with the interval of each FID."""
    sizes = [row["size_bytes"] for row in front]
    fids = [row["fid"] for row in front]
    bars = [
        [_reach(row, "fid_low") for row in front],
        [_reach(row, "fid_high") for row in front],
    ]
    # Between two points a user gets the smaller model's quality: a staircase. With objectives of
    # more kinds, points lie above it.
    lowest = np.minimum.accumulate(fids)
    axes.step(sizes, lowest, where="post", color="black", linewidth=1, zorder=3)
    axes.errorbar(sizes, fids, yerr=bars, fmt="none", color="black", capsize=3, zorder=3)


def _add_legend(figure: Figure, axes: Axes) -> None:
    """Explain the markers beside the panels, which share them."""
    handles, labels = axes.get_legend_handles_labels()
    title = "architecture, quantization"
    figure.legend(
        handles, labels, loc="outside right upper", fontsize=7, title=title, title_fontsize=7
    )


def _label(panel: Panel, series: Sequence[Series], front: Sequence[FrontRow]) -> None:
    """Write each front point's rank beside it, off the other points."""
    ranks = [f"{row['rank']}" for row in front]
    points = places(front, panel.x, panel.y)
    others = np.concatenate([places(group.rows, panel.x, panel.y) for group in series])
    label_points(panel.axes, ranks, points, others, panel.font_size)
