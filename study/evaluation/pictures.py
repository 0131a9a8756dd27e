"""Pictures of generated images."""

import io
from pathlib import Path

from PIL import Image
from torch import Tensor

from diffusion.files import write_bytes
from study.evaluation.tiling import tiled


def save_grid(images: Tensor, columns: int, path: Path, zoom: int = 2) -> None:
    """Write [N, C, H, W] uint8 images as one PNG, row by row, aside and then renamed."""
    pixels = tiled(images, columns, padding=2, value=128).permute(1, 2, 0).numpy()
    picture = Image.fromarray(pixels)
    size, content = (picture.width * zoom, picture.height * zoom), io.BytesIO()
    picture.resize(size, Image.Resampling.NEAREST).save(content, format="PNG")
    write_bytes(path, content.getvalue())
