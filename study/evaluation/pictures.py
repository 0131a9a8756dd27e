"""Pictures of generated images."""

import io
from pathlib import Path

from PIL import Image
from torch import Tensor

from diffusion.files import write_bytes


def save_grid(images: Tensor, columns: int, path: Path, zoom: int = 2) -> None:
    """Write [N, C, H, W] uint8 images as one PNG, row by row, aside and then renamed."""
    from torchvision.utils import make_grid  # takes two seconds: only where it is used

    grid = make_grid(images, nrow=columns, padding=2, pad_value=128)
    pixels = grid.permute(1, 2, 0).numpy()  # grey comes back as three equal channels
    picture = Image.fromarray(pixels)
    size, content = (picture.width * zoom, picture.height * zoom), io.BytesIO()
    picture.resize(size, Image.Resampling.NEAREST).save(content, format="PNG")
    write_bytes(path, content.getvalue())
