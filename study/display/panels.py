"""The panels of a front's picture: which score stands against which, and where."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.display.scales import COUNTS
from study.results.objectives import DEFAULT_OBJECTIVES

COSTS = (*COUNTS, "latency_ms", "onnx_latency_ms")
TITLES = {
    "fid": "FID",
    "fid_held_out": "FID, held-out split",
    "size_bytes": "size of the model file",
    "gzip_state_dict_bytes": "gzipped state dict",
    "latency_ms": "ms an image",
    "onnx_latency_ms": "ms an image in onnxruntime",
    "macs": "multiply-accumulates a network call",
    "nonzero_parameters": "non-zero parameters",
}
WIDTH, MAIN_HEIGHT, PANEL_HEIGHT = 9.5, 5.0, 2.7  # inches
MOST_A_ROW = 3


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


def make_panels(
    figure: Figure, objectives: Sequence[str], asked: tuple[str, str] | None
) -> list[Panel]:
    """Divide a figure: the large panel first, then one for each further objective.

    Args:
        figure: without anything in it.
        objectives: of the study.
        asked: scores along x and y of the one panel; None for FID against size, and the others.
    """
    x, y = asked or ("size_bytes", "fid")
    further = [name for name in objectives if name not in DEFAULT_OBJECTIVES and asked is None]
    columns = 2 if len(further) in (2, 4) else max(min(len(further), MOST_A_ROW), 1)
    rows = math.ceil(len(further) / columns)
    figure.set_size_inches(WIDTH, MAIN_HEIGHT + rows * PANEL_HEIGHT)
    heights = [MAIN_HEIGHT, *[PANEL_HEIGHT] * rows]
    grid = figure.add_gridspec(1 + rows, columns, height_ratios=heights)
    panels = [_panel(figure.add_subplot(grid[0, :]), x, y, 9)]
    for position, name in enumerate(further):
        x, y = (name, "fid") if name in COSTS else ("size_bytes", name)
        place = grid[1 + position // columns, position % columns]
        panels.append(_panel(figure.add_subplot(place), x, y, 7))
    return panels


def _panel(axes: Axes, x: str, y: str, font_size: float) -> Panel:
    axes.set_xlabel(TITLES.get(x, x.replace("_", " ")), fontsize=font_size + 1)
    axes.set_ylabel(TITLES.get(y, y.replace("_", " ")), fontsize=font_size + 1)
    axes.tick_params(labelsize=font_size)
    axes.grid(visible=True, alpha=0.3)
    axes.set_axisbelow(True)
    return Panel(x, y, axes, font_size)
