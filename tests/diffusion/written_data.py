"""Data sets written to disk for tests, and what becomes of them."""

import struct
import zlib

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


def write_png(path, side, rows, bits=8, colour_type=0):
    """Write a square PNG, whose rows need not be as long as its header says."""

    def chunk(kind, content):
        check = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + check

    header = side.to_bytes(4, "big") * 2 + bytes([bits, colour_type, 0, 0, 0])
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def write_deep_tiff(path, side):
    """Write a square TIFF of black in three colours of 16 bits."""
    length, short, long = side * side * 6, 3, 4
    fields = [(256, short, 1, side), (257, short, 1, side), (258, short, 3, 122)]
    fields += [(259, short, 1, 1), (262, short, 1, 2), (273, long, 1, 128), (277, short, 1, 3)]
    fields += [(278, short, 1, side), (279, long, 1, length)]
    content = struct.pack("<2sHIH", b"II", 42, 8, len(fields))
    content += b"".join(struct.pack("<HHII", *field) for field in fields)
    content += bytes(4) + struct.pack("<3H", 16, 16, 16)
    path.write_bytes(content + bytes(length))


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
