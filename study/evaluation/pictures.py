"""Pictures of generated images."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from diffusion.errors import one_line
from diffusion.files import write_bytes
from study.evaluation.tiling import tiled

MOST_COLUMNS = 20  # Of a grid with a column a class.

PADDING, GREY = 2, 128  # between images, in their own pixels
HEADING_SIZE, HEADING_HEIGHT = 13, 22  # in the picture's pixels
LEAST_COLUMN = 56  # pixels that a heading has room in
ZOOM = 2


def save_grid(
    images: Tensor, columns: int, path: Path, zoom: int = ZOOM, headings: Sequence[str] = ()
) -> None:
    """Write [N, C, H, W] uint8 images as one PNG, row by row, aside and then renamed.

    Args:
        zoom: pixels a side of each pixel.
        headings: of the columns, cut off where they are wider; none for a picture without.
    """
    picture = draw_grid(images, columns, zoom)
    if headings:
        picture = _headed(picture, headings, (images.shape[-1] + PADDING) * zoom)
    write_bytes(path, as_png(picture))


def draw_grid(images: Tensor, columns: int, zoom: int = ZOOM) -> Image.Image:
    """Return [N, C, H, W] uint8 images as one picture, row by row."""
    pixels = tiled(images, columns, padding=PADDING, value=GREY).permute(1, 2, 0).numpy()
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


def zoom_for(image_size: int) -> int:
    """Return the zoom with which images are wide enough for headings above them."""
    return max(ZOOM, -(-LEAST_COLUMN // image_size))


def _headed(picture: Image.Image, headings: Sequence[str], column_width: int) -> Image.Image:
    """Return a picture below a line with a heading in the middle of each column."""
    whole = Image.new("RGB", (picture.width, picture.height + HEADING_HEIGHT), "white")
    whole.paste(picture, (0, HEADING_HEIGHT))
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(HEADING_SIZE)
    for number, heading in enumerate(map(one_line, headings)):
        text = heading
        while text and draw.textlength(_shown(text, heading), font) > column_width:
            text = text[:-1]
        middle = (number + 0.5) * column_width, HEADING_HEIGHT / 2
        draw.text(middle, _shown(text, heading), "black", font, anchor="mm")
    return whole


def _shown(text: str, heading: str) -> str:
    return text if text == heading else f"{text}…"
