"""Images that a model drew, to be looked at, kept, or computed with."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from diffusion.files import check_out, write_bytes
from study.evaluation.pictures import as_png, draw_grid, grid_columns
from study.results.words import counted

COLOURS = {1: "grey", 3: "colour"}  # by channels
SUFFIXES = (".png", ".npz")


@dataclass(frozen=True, repr=False)
class Samples:
    """Images that a model drew; `samples[0]` is one as a picture, and a notebook shows them all.

    Attributes:
        images: [N, C, H, W] uint8.
        labels: [N] int64, of the classes that were asked for.
        class_names: by label.
    """

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: int) -> Image.Image:
        """Return one image as a picture of its own size."""
        pixels = self.images[position].permute(1, 2, 0).numpy()
        return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)

    def __repr__(self) -> str:
        count, channels, height, width = self.images.shape
        kind = f"{width}x{height} pixels, {COLOURS[channels]}"
        return f"Samples({counted(count, 'image')} of {kind})"

    def grid(self, columns: int | None = None, zoom: int = 2) -> Image.Image:
        """Return all images as one picture.

        Args:
            columns: of the grid; None for a column a class where all were asked for in turn.
            zoom: pixels of the picture a pixel of an image.
        """
        columns = columns or grid_columns(self.labels, len(self.class_names))
        return draw_grid(self.images, columns, zoom)

    def save(self, path: Path | str) -> None:
        """Write a PNG of the grid, or an .npz archive of `images` and `labels`.

        Raises:
            ValueError: the path cannot be written to, or has another ending.
        """
        path = Path(path)
        check_out(path, SUFFIXES)
        if path.suffix == ".png":
            write_bytes(path, self._repr_png_())
            return
        content = io.BytesIO()
        np.savez_compressed(content, images=self.images.numpy(), labels=self.labels.numpy())
        write_bytes(path, content.getvalue())

    def _repr_png_(self) -> bytes:
        return as_png(self.grid())
