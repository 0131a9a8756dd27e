"""Pictures of generated images."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from diffusion.errors import one_line
from diffusion.files import write_bytes

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
    from torchvision.utils import make_grid  # takes two seconds: only where it is used

    grid = make_grid(images, nrow=columns, padding=PADDING, pad_value=GREY)
    pixels = grid.permute(1, 2, 0).numpy()  # grey comes back as three equal channels
    picture = Image.fromarray(pixels)
    size, content = (picture.width * zoom, picture.height * zoom), io.BytesIO()
    picture = picture.resize(size, Image.Resampling.NEAREST)
    if headings:
        picture = _headed(picture, headings, (images.shape[-1] + PADDING) * zoom)
    picture.save(content, format="PNG")
    write_bytes(path, content.getvalue())


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
