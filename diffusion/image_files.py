"""Image files as a tensor of one size: all headers are read before any image is decoded.

What would be lost without a word is refused by name: alpha channels, a rotation that is only
noted, further pages, and greys and colours of more than 8 bits. So are colours that only a palette
brings into a set of grey images.
"""

import hashlib
import io
import os
import struct
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import BinaryIO, TypeVar

import numpy as np
import torch
from PIL import ExifTags, Image, ImageFile
from torch import Tensor

from diffusion.errors import DataUnavailable, about_path, one_line
from diffusion.files import open_regular
from diffusion.resizing import as_squares

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # Pillow's names.
GREY_MODES, PALETTE_MODE = ("1", "L"), "P"
MAX_SIDE = 1024  # Pixels.
MAX_FILE_BYTES = 2**26  # Four times the largest image without compression.
MAX_BYTES = 2**33  # Of the whole decoded set.
BRIGHTEST = 255
TURNED = range(2, 9)  # EXIF orientations; Pillow obeys those of TIFF itself.
# What Pillow raises on damaged files.
READING_ERRORS = (
    *(OSError, EOFError, ValueError, LookupError, RuntimeError, AssertionError, TypeError),
    *(ArithmeticError, SyntaxError, struct.error, Image.DecompressionBombError),
)

Result = TypeVar("Result")


def read_images(paths: Sequence[str], image_size: int | None = None) -> tuple[Tensor, list[str]]:
    """Read image files of one size; grey only when every image is grey.

    Args:
        paths: one or more.
        image_size: pixels a side that every image is brought to; None where they have one size.

    Returns:
        [N, C, H, W] uint8, and the SHA-256 of each file.

    Raises:
        DataUnavailable: a file is damaged or of another kind, or all are too large together.
    """
    with warnings.catch_warnings():
        # The images that Pillow warns of are refused.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        sizes, modes = _read_headers(paths, one_size=image_size is None)
    size = sizes[0] if image_size is None else (image_size, image_size)
    channels = _count_channels(paths, modes)
    shape = (len(paths), channels, size[1], size[0])
    if (total := int(np.prod(shape, dtype=object))) > MAX_BYTES:
        raise DataUnavailable(
            f"{len(paths)} images of {size[0]}x{size[1]} pixels take {total} bytes; allowed: at "
            f"most {MAX_BYTES}"
        )
    images = torch.empty(shape, dtype=torch.uint8)
    digests = []
    for image, path, own_size in zip(images, paths, sizes, strict=True):
        decode = partial(_decode, size=own_size, channels=channels)
        pixels, digest = _reading(path, decode)
        decoded = torch.from_numpy(pixels)
        image[:] = decoded if image_size is None else as_squares(decoded, image_size)
        digests.append(digest)
    return images, digests


def _read_headers(
    paths: Sequence[str], *, one_size: bool
) -> tuple[list[tuple[int, int]], list[str]]:
    """Return the images' sizes, as width and height, and their modes."""
    sizes, modes = [], []
    for path in paths:
        size, mode = _reading(path, _read_header)
        sizes.append(size)
        modes.append(mode)
        if one_size and size != sizes[0]:
            reason = (
                f"is {size[0]}x{size[1]} pixels, but {one_line(os.path.basename(paths[0]), 80)} "
                f"is {sizes[0][0]}x{sizes[0][1]}; allowed: one size for all, or --image-size 32"
            )
            raise DataUnavailable(about_path("image", path, reason))
    return sizes, modes


def _count_channels(paths: Sequence[str], modes: Sequence[str]) -> int:
    """Return 1 for grey images, 3 for colour; a palette counts as what its colours are."""
    if any(mode not in (*GREY_MODES, PALETTE_MODE) for mode in modes):
        return 3
    with_palette = [p for p, mode in zip(paths, modes, strict=True) if mode == PALETTE_MODE]
    coloured = next((path for path in with_palette if not _reading(path, _is_grey)), None)
    if coloured is not None and len(with_palette) < len(paths):
        reason = "has a palette with colours among grey images; allowed: greys, or RGB"
        raise DataUnavailable(about_path("image", coloured, reason))
    return 1 if coloured is None else 3


def _reading(path: str, read: Callable[[str], Result]) -> Result:
    """Call a function on a file; what it raises becomes an error that names the file."""
    try:
        return read(path)
    except READING_ERRORS as error:
        raise DataUnavailable(about_path("image", path, f"cannot be read: {error}")) from error


def _read_header(path: str) -> tuple[tuple[int, int], str]:
    """Return an image's width and height, and its mode."""
    with _open(path) as file, Image.open(file, formats=FORMATS) as picture:
        _check_header(picture)
        return picture.size, picture.mode


def _open(path: str) -> BinaryIO:
    file = open_regular(path)
    length = os.fstat(file.fileno()).st_size
    if length > MAX_FILE_BYTES:
        file.close()
        raise ValueError(f"it has {length} bytes; allowed: at most {MAX_FILE_BYTES}")
    return file


def _check_header(picture: ImageFile.ImageFile) -> None:
    if max(picture.size) > MAX_SIDE:
        width, height = picture.size
        raise ValueError(f"it is {width}x{height} pixels; allowed: at most {MAX_SIDE} a side")
    if picture.mode.startswith(("I", "F")):
        raise ValueError(f"its pixels have mode {picture.mode}; allowed: 8 bits")
    if _has_deep_colours(picture):
        raise ValueError("its colours have more than 8 bits; allowed: 8 bits")
    if picture.has_transparency_data:
        raise ValueError("it has an alpha channel or a transparent colour; allowed: neither")
    if getattr(picture, "is_animated", False):
        raise ValueError("it has further pages or frames; allowed: one")


def _has_deep_colours(picture: ImageFile.ImageFile) -> bool:
    """Whether Pillow, which has no mode for them, would drop bits of an image's colours.

    It knows how the file stores them until they are decoded, such as "RGB;16B" of a PNG. What is
    stored in fewer bits than 8 has such names, too: "BGR;16" is a BMP's.
    """
    for codec, _, _, stored in picture.tile:
        kind, *others = stored if isinstance(stored, tuple) else (stored,)
        if picture.format in ("PNG", "TIFF") and ";16" in str(kind):
            return True
        if codec in ("ppm", "ppm_plain") and others[0] > BRIGHTEST:
            return True
    return False


def _is_grey(path: str) -> bool:
    with _open(path) as file, Image.open(file, formats=FORMATS) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    return bool((pixels == pixels[..., :1]).all())


def _decode(path: str, size: tuple[int, int], channels: int) -> tuple[np.ndarray, str]:
    """Return an image as [C, H, W] uint8, and its file's SHA-256."""
    with _open(path) as file:
        content = file.read(MAX_FILE_BYTES)
    with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
        _check_header(picture)  # Of what is decoded: the file may have changed.
        picture.load()
        if picture.size != size:
            raise ValueError("it changed while it was read")
        orientation = picture.getexif().get(ExifTags.Base.Orientation)
        if orientation in TURNED:
            raise ValueError(f"EXIF turns it (orientation {orientation}); allowed: 1, as it is")
        grey = picture.mode in GREY_MODES
        converted = picture.convert("L") if grey else picture.convert("RGB")
        pixels = np.asarray(converted.convert("L" if channels == 1 else "RGB"))
    pixels = pixels.reshape(size[1], size[0], channels).transpose(2, 0, 1).copy()
    return pixels, hashlib.sha256(content).hexdigest()
