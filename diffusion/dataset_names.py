"""Names of data sets; nothing is read, and torch is not imported."""

from pathlib import Path

from diffusion.errors import DataUnavailable, about_path, did_you_mean, one_line

DATA_DIR_VARIABLE = "PARETODIFF_DATA"
TORCHVISION_NAMES = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "cifar10": "CIFAR10"}
FOLDER = "folder:"
DATASET_NAMES = ("mnist5k", *TORCHVISION_NAMES, f"{FOLDER}PATH")


def resolve_name(name: str) -> str:
    """Return the one name of a data set; that of a folder is absolute and without links.

    Raises:
        DataUnavailable: no folder can be named so.
    """
    given = name.removeprefix(FOLDER)
    if given in (name, ""):
        return name
    try:
        return f"{FOLDER}{Path(given).expanduser().resolve()}"
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
