"""The sample sheet has a column for each class that was drawn, under its name."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from study.evaluation.pictures import HEADING_HEIGHT, PADDING
from study.evaluation.samples import MOST_COLUMNS, save_samples

SIZE, ZOOM = 28, 2
CELL = (SIZE + PADDING) * ZOOM


def sheet(tmp_path: Path, labels: list[int], names: tuple[str, ...] | None) -> np.ndarray:
    """Return the grey pixels of a sheet; all of an image are 20 times its label."""
    levels = torch.tensor(labels, dtype=torch.uint8) * 20
    images = levels[:, None, None, None].expand(-1, 1, SIZE, SIZE)
    save_samples(images, torch.tensor(labels), names, tmp_path / "samples.png")
    with Image.open(tmp_path / "samples.png") as picture:
        return np.array(picture.convert("L"))


@pytest.mark.parametrize("classes", [1, 2, 3, 10])
def test_each_class_has_a_column_of_its_own_images(classes: int, tmp_path: Path) -> None:
    labels = [label for label in range(classes) for _ in range(11)]
    pixels = sheet(tmp_path, labels, tuple("abcdefghij"))
    pad = PADDING * ZOOM
    assert pixels.shape == (8 * CELL + pad + HEADING_HEIGHT, classes * CELL + pad)
    for label in range(classes):
        column = pixels[HEADING_HEIGHT + CELL // 2 :: CELL, label * CELL + CELL // 2][:8]
        assert column.tolist() == [20 * label] * 8


def test_of_many_classes_ten_are_shown_from_the_first_to_the_last(tmp_path: Path) -> None:
    pixels = sheet(tmp_path, list(range(12)), tuple(map(str, range(12))))
    row = pixels[HEADING_HEIGHT + CELL // 2, CELL // 2 :: CELL][:MOST_COLUMNS] // 20
    assert row[0] == 0
    assert row[-1] == 11
    assert sorted(set(row.tolist())) == row.tolist()


def test_a_class_with_fewer_images_leaves_its_places_empty(tmp_path: Path) -> None:
    pixels = sheet(tmp_path, [0, 1, 1, 1], ("few\none", "more"))
    cells = pixels[HEADING_HEIGHT + CELL // 2 :: CELL, CELL // 2 :: CELL][:3, :2]
    assert cells.tolist() == [[0, 20], [128, 20], [128, 20]]


def test_a_heading_keeps_to_its_column_however_long_it_is(tmp_path: Path) -> None:
    pixels = sheet(tmp_path, [0, 1], ("W" * 200, "b"))
    heading = pixels[:HEADING_HEIGHT]
    dark = np.flatnonzero((heading < 128).any(axis=0))
    assert dark.size
    gap = CELL + np.arange(2, CELL // 2 - 10)  # right of the first column, left of the "b"
    assert not set(gap.tolist()) & set(dark.tolist())


def test_a_model_without_labels_has_no_headings(tmp_path: Path) -> None:
    pixels = sheet(tmp_path, [0] * 30, None)
    assert pixels.shape == (3 * CELL + PADDING * ZOOM, 10 * CELL + PADDING * ZOOM)
