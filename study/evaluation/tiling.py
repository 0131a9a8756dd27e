"""Images side by side, as torchvision's `make_grid` lays them, which takes seconds to import."""

import torch
from torch import Tensor


def tiled(images: Tensor, columns: int, padding: int, value: int) -> Tensor:
    """Return images row by row in one.

    Args:
        images: [N, C, H, W] uint8, grey or colour, one or more.
        columns: of a row.
        padding: pixels between images, and around all of them.
        value: of these pixels.

    Returns:
        [3, H, W] uint8.
    """
    count, _, height, width = images.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    size = (rows * (height + padding) + padding, columns * (width + padding) + padding)
    grid = torch.full((3, *size), value, dtype=torch.uint8)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        top, left = (height + padding) * row + padding, (width + padding) * column + padding
        grid[:, top : top + height, left : left + width] = image
    return grid
