"""Data sets written to disk for tests, and what becomes of them."""

import numpy as np

from diffusion.data import load_dataset
from diffusion.errors import DataUnavailable


def loaded_or_refused(*arguments):
    """Return a data set, or None and what is said against it."""
    try:
        return load_dataset(*arguments), ""
    except DataUnavailable as error:
        return None, str(error)


def write_image(path, pixels):
    """Write [H, W] or [H, W, 3] uint8 pixels; these formats have the same bytes everywhere."""
    kind = "P5" if pixels.ndim == 2 else "P6"
    header = f"{kind} {pixels.shape[1]} {pixels.shape[0]} 255\n".encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + pixels.tobytes())


def write_folder(path, count=60, size=(8, 8), channels=1, seed=0):
    """Write random pictures to two class folders, in turn."""
    shape = size if channels == 1 else (*size, 3)
    suffix = "pgm" if channels == 1 else "ppm"
    generator = np.random.default_rng(seed)
    for i in range(count):
        pixels = generator.integers(0, 256, shape, dtype=np.uint8)
        write_image(path / f"class{i % 2}" / f"{i:03}.{suffix}", pixels)
    return path


def write_idx(path, values):
    """Write uint8 values in MNIST's format."""
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes())


def write_mnist(root, folder="MNIST"):
    generator = np.random.default_rng(0)
    for part, count in (("train", 30), ("t10k", 20)):
        raw = root / folder / "raw"
        pixels = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        write_idx(raw / f"{part}-images-idx3-ubyte", pixels)
        write_idx(raw / f"{part}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10)
    return root / folder / "raw"
