"""Folders of small noisy pictures."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_pictures(folder: Path, size: int = 16, classes: int = 2, count: int = 60) -> Path:
    """Write noisy colour pictures, a class brighter than the one before."""
    generator = np.random.default_rng(0)
    for i in range(count):
        label = i % classes
        pixels = generator.integers(0, 100, (size, size, 3)) + 150 * label // classes
        path = folder / f"class{label}" / f"{i:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return folder


def write_picture(path: Path) -> None:
    """Write one small grey picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(path)
