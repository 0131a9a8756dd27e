"""Pictures of generated images."""

import io
import math
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from diffusion.files import write_bytes
from study.evaluation.tiling import tiled

MOST_COLUMNS = 20  # Of a grid with a column a class.


def save_grid(images: Tensor, columns: int, path: Path, zoom: int = 2) -> None:
    """Write [N, C, H, W] uint8 images as one PNG, row by row, aside and then renamed."""
    write_bytes(path, as_png(draw_grid(images, columns, zoom)))


def draw_grid(images: Tensor, columns: int, zoom: int = 2) -> Image.Image:
    """Return [N, C, H, W] uint8 images as one picture, row by row."""
    pixels = tiled(images, columns, padding=2, value=128).permute(1, 2, 0).numpy()
    picture = Image.fromarray(pixels)
    size = (picture.width * zoom, picture.height * zoom)
    return picture.resize(size, Image.Resampling.NEAREST)


def as_png(picture: Image.Image) -> bytes:
    """Return the bytes of a picture as a PNG."""
    content = io.BytesIO()
    picture.save(content, format="PNG")
    return content.getvalue()


def grid_columns(labels: Tensor, num_classes: int) -> int:
    """Return the columns of a grid: one a class where the labels are all of them in turn.

    Args:
        labels: [N] int64 of the images.
        num_classes: that there are.
    """
    in_turn = torch.equal(labels, torch.arange(len(labels)) % num_classes)
    if in_turn and 2 <= num_classes <= MOST_COLUMNS:
        return num_classes
    return max(math.ceil(math.sqrt(len(labels))), 1)
