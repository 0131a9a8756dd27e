"""Sample sheets: their grid is found again, and each pixel is there once."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from study.display.report.samples import (
    SHEET_ROWS,
    STRIP_ROWS,
    encode,
    read_samples,
)
from study.evaluation.pictures import HEADING_HEIGHT, PADDING, save_grid


@pytest.mark.parametrize(("columns", "size", "channels"), [(10, 28, 1), (3, 16, 3), (1, 8, 1)])
def test_the_grid_of_a_sheet_is_found_again(
    columns: int, size: int, channels: int, tmp_path: Path
) -> None:
    images = torch.randint(0, 256, (8 * columns, channels, size, size), dtype=torch.uint8)
    save_grid(images, columns, tmp_path / "samples.png")
    samples = read_samples((tmp_path / "samples.png").read_bytes(), size)
    assert samples.columns == columns
    assert samples.cell == size + PADDING
    assert samples.sheet.size == (
        columns * (size + PADDING) + PADDING,
        SHEET_ROWS * (size + PADDING) + PADDING,
    )
    assert samples.strip.height == STRIP_ROWS * (size + PADDING) + PADDING
    first = np.asarray(samples.whole)[PADDING : PADDING + size, PADDING : PADDING + size]
    expected = images[0].permute(1, 2, 0).expand(-1, -1, 3).numpy()
    np.testing.assert_array_equal(first, expected)


@pytest.mark.parametrize(("size", "zoom"), [(28, 2), (16, 4), (8, 7)])
def test_headings_above_the_grid_are_left_out(size: int, zoom: int, tmp_path: Path) -> None:
    images = torch.randint(0, 256, (24, 1, size, size), dtype=torch.uint8)
    save_grid(images, 3, tmp_path / "samples.png", zoom)
    grid = Image.open(tmp_path / "samples.png")
    headed = Image.new("RGB", (grid.width, grid.height + HEADING_HEIGHT), "white")
    headed.paste(grid, (0, HEADING_HEIGHT))
    content = io.BytesIO()
    headed.save(content, format="PNG")
    samples = read_samples(content.getvalue(), size)
    assert (samples.columns, samples.cell) == (3, size + PADDING)
    first = np.asarray(samples.whole)[PADDING : PADDING + size, PADDING : PADDING + size, 0]
    np.testing.assert_array_equal(first, images[0, 0].numpy())


def test_a_picture_that_is_no_grid_is_shown_whole() -> None:
    content = io.BytesIO()
    Image.new("L", (2_000, 50)).save(content, format="PNG")
    samples = read_samples(content.getvalue(), 28)
    assert (samples.columns, samples.cell) == (1, 0)
    assert samples.sheet.size == samples.strip.size == (720, 18)


def test_a_picture_too_large_to_be_read_is_refused() -> None:
    content = io.BytesIO()
    Image.new("1", (2**13, 2**12)).save(content, format="PNG")
    with pytest.raises(ValueError, match="allowed: up to 16,777,216"):
        read_samples(content.getvalue(), 28)


def test_a_picture_becomes_an_address_of_a_page() -> None:
    kind, text = encode(Image.new("RGB", (9, 7), "red")).split(",")
    assert kind == "data:image/webp;base64"
    assert Image.open(io.BytesIO(base64.b64decode(text))).size == (9, 7)
