"""Names of data sets; nothing is read, and torch is not imported.

The name of one whose images are resized begins with their size, like `32px:folder:/photos`: all
that names the data, such as a recipe and its keys, tells it from the data as they are.
"""

import re
from pathlib import Path

from diffusion.errors import DataUnavailable, about_path, did_you_mean, one_line

DATA_DIR_VARIABLE = "PARETODIFF_DATA"
TORCHVISION_NAMES = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "cifar10": "CIFAR10"}
FOLDER = "folder:"
DATASET_NAMES = ("mnist5k", *TORCHVISION_NAMES, f"{FOLDER}PATH")
MOST_PIXELS_RESIZED = 1_024
_SIZED = re.compile(r"(\d{1,9})px:(.+)", re.DOTALL)


def sized_name(name: str, image_size: int | None) -> str:
    """Return the name of a data set whose images are resized; as it is without a size.

    Raises:
        DataUnavailable: the name has another size.
    """
    plain, own = split_size(name)
    if None not in (own, image_size) and own != image_size:
        raise DataUnavailable(
            f"dataset {name!r} is of {own} pixels a side, and --image-size is {image_size}; "
            "allowed: one of the two"
        )
    return name if image_size is None else f"{image_size}px:{plain}"


def split_size(name: str) -> tuple[str, int | None]:
    """Return the name of a data set as it is, and the size to which its images are brought.

    Raises:
        DataUnavailable: nothing is resized to that size.
    """
    if (match := _SIZED.fullmatch(name)) is None:
        return name, None
    if not 1 <= (size := int(match[1])) <= MOST_PIXELS_RESIZED:
        raise DataUnavailable(
            f"dataset is of {size} pixels a side; allowed: from 1 to {MOST_PIXELS_RESIZED}"
        )
    return match[2], size


def resolve_name(name: str) -> str:
    """Return the one name of a data set; that of a folder is absolute and without links.

    Raises:
        DataUnavailable: no folder can be named so, or nothing is resized so.
    """
    plain, image_size = split_size(name)
    given = plain.removeprefix(FOLDER)
    if given in (plain, ""):
        return name
    try:
        return sized_name(f"{FOLDER}{Path(given).expanduser().resolve()}", image_size)
    except (OSError, ValueError, RuntimeError) as error:
        raise DataUnavailable(about_path("dataset", name, f"is no folder: {error}")) from error


def unknown_dataset(name: str) -> DataUnavailable:
    """Return the error of a name that no data set has; of a folder it says what to write."""
    shown = one_line(repr(name), 100)
    try:
        is_folder = name != "" and Path(name).expanduser().is_dir()
    except (OSError, ValueError, RuntimeError):
        is_folder = False
    if is_folder:
        written = one_line(f"{FOLDER}{name}", 100)
        return DataUnavailable(f"dataset is {shown}, a folder; allowed: written as {written}")
    hint = did_you_mean(name, DATASET_NAMES)
    return DataUnavailable(f"dataset is {shown}{hint}; allowed: {', '.join(DATASET_NAMES)}")
