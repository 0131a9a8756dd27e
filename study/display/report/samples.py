"""Sample pictures of trials, made small enough that a page can hold many."""

import base64
import io
import math
from dataclasses import dataclass

from PIL import Image

from study.evaluation.pictures import HEADING_HEIGHT, PADDING, ZOOM, zoom_for

SHEET_ROWS, STRIP_ROWS = 4, 2
MOST_PIXELS = 2**24
MOST_WIDTH = 720
QUALITY = 80


@dataclass(frozen=True)
class Samples:
    """A trial's sample images.

    Attributes:
        whole: all of them.
        columns: of the grid.
        cell: pixels from one image to the next; 0 where it is no grid as ours are.
    """

    whole: Image.Image
    columns: int
    cell: int

    @property
    def sheet(self) -> Image.Image:
        """As many rows as a card shows."""
        return self._rows(SHEET_ROWS)

    @property
    def strip(self) -> Image.Image:
        """As many rows as are shown beside a pointer."""
        return self._rows(STRIP_ROWS)

    def _rows(self, count: int) -> Image.Image:
        height = count * self.cell + PADDING if self.cell else self.whole.height
        return self.whole.crop((0, 0, self.whole.width, min(height, self.whole.height)))


def read_samples(content: bytes, image_size: int) -> Samples:
    """Return the sample images of a picture file, each pixel once.

    Args:
        content: of the file.
        image_size: of the images, in pixels.

    Raises:
        ValueError: it is no picture, or too large a one.
    """
    try:
        picture = Image.open(io.BytesIO(content), formats=["PNG"])
        if math.prod(picture.size) > MOST_PIXELS:
            raise ValueError(f"it has {picture.size} pixels; allowed: up to {MOST_PIXELS:,}")
        sheet = picture.convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"it is no picture that can be read: {error}") from error
    cell = image_size + PADDING
    for zoom in (ZOOM, zoom_for(image_size)):
        columns, rest = divmod(sheet.width - PADDING * zoom, cell * zoom)
        top = (sheet.height - PADDING * zoom) % (cell * zoom)
        if rest == 0 and top in (0, HEADING_HEIGHT):
            size = (sheet.width // zoom, (sheet.height - top) // zoom)
            grid = sheet.crop((0, top, sheet.width, sheet.height))
            return Samples(grid.resize(size, Image.Resampling.NEAREST), columns, cell)
    return Samples(_fitted(sheet), 1, 0)


def encode(picture: Image.Image) -> str:
    """Return a picture as the address of an image in a page."""
    content = io.BytesIO()
    picture.save(content, format="WEBP", quality=QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"


def _fitted(picture: Image.Image) -> Image.Image:
    """Return a picture no wider than a page shows it."""
    if picture.width <= MOST_WIDTH:
        return picture
    height = max(1, picture.height * MOST_WIDTH // picture.width)
    return picture.resize((MOST_WIDTH, height))
