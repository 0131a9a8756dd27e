"""The sample sheet of a trial: some of the images that were scored, a column a class."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from study.evaluation.pictures import GREY, save_grid, zoom_for

SAMPLES_NAME = "samples.png"
MOST_ROWS, MOST_COLUMNS = 8, 10


def save_samples(
    images: Tensor, labels: Tensor, class_names: Sequence[str] | None, path: Path
) -> None:
    """Write the sample sheet.

    Args:
        images: [N, C, H, W] uint8, at least one.
        labels: [N] int64, that they were asked for.
        class_names: by label; None for a model without labels, whose columns mean nothing.
        path: of the PNG.
    """
    if class_names is None:
        picks = _evenly(torch.arange(len(images)), MOST_ROWS * MOST_COLUMNS)
        save_grid(images[picks], min(MOST_COLUMNS, len(picks)), path, zoom_for(images.shape[-1]))
        return
    shown = _evenly(torch.tensor(sorted(set(labels.tolist()))), MOST_COLUMNS)
    columns = [_column(images[labels == label]) for label in shown]
    rows = max(map(len, columns))
    sheet = torch.full((rows, len(columns), *images.shape[1:]), GREY, dtype=torch.uint8)
    for number, column in enumerate(columns):
        sheet[: len(column), number] = column
    headings = [class_names[int(label)] for label in shown]
    save_grid(sheet.flatten(0, 1), len(columns), path, zoom_for(images.shape[-1]), headings)


def _column(images: Tensor) -> Tensor:
    return images[_evenly(torch.arange(len(images)), MOST_ROWS)]


def _evenly(values: Tensor, most: int) -> Tensor:
    """Return at most so many of the values, evenly from the first to the last."""
    if len(values) <= most:
        return values
    return values[torch.linspace(0, len(values) - 1, most).round().long()]
