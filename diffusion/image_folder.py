"""Folders of images: PATH/CLASS/.../IMAGE, found without trusting what lies there.

Classes and images are in the order of torchvision's `ImageFolder`. A link to an image is followed
while that lies within the folder. A link that leaves it is refused, and so is one to a folder:
within the data set it leads round in a circle, or to images that are there already.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from diffusion.errors import DataUnavailable, about_path
from diffusion.image_files import SUFFIXES, read_images

MAX_DEPTH = 16  # Folders below that of the data set.
MAX_ENTRIES = 2_000_000  # Files and folders, those that are no images among them.


@dataclass(frozen=True)
class LabelledImages:
    """What a folder holds.

    Attributes:
        class_names: of the folders, sorted.
        images: [N, C, H, W] uint8.
        labels: [N] int64 in [0, len(class_names)).
        digests: SHA-256 of each image's file.
    """

    class_names: tuple[str, ...]
    images: Tensor
    labels: Tensor
    digests: tuple[str, ...]


def read_image_folder(root: Path, image_size: int | None = None) -> LabelledImages:
    """Read a folder of class folders.

    Args:
        root: absolute, without links.
        image_size: pixels a side that every image is brought to; None where they have one size.

    Raises:
        DataUnavailable: there is no such folder, it holds no images or not those of one set, or
            something in it cannot be read.
    """
    try:
        if not root.is_dir():
            reason = "is no folder of class folders"
            raise DataUnavailable(about_path("dataset", f"folder:{root}", reason))
        classes = find_images(root)
    except OSError as error:
        reason = f"cannot be read: {error}"
        raise DataUnavailable(about_path("dataset", f"folder:{root}", reason)) from error
    names = tuple(classes)
    paths = [path for name in names for path in classes[name]]
    images, digests = read_images(paths, image_size)
    labels = [label for label, name in enumerate(names) for _ in classes[name]]
    return LabelledImages(names, images, torch.tensor(labels), tuple(digests))


def find_images(root: Path) -> dict[str, list[str]]:
    """Return the paths of each class's images, without opening any.

    Args:
        root: absolute, without links.

    Raises:
        DataUnavailable: a class has no image, or a link or an image is not to be trusted.
        OSError: a folder cannot be read.
    """
    walk = _Walk(str(root))
    classes: dict[str, list[str]] = {}
    for folder in sorted(walk.subfolders(str(root))[0]):
        found = sorted(walk.below(folder))
        name = os.path.basename(folder)
        classes[name] = [os.path.join(inner, file) for inner, files in found for file in files]
        if not classes[name]:
            reason = f"has no image; allowed: files that end in {', '.join(SUFFIXES)}"
            raise DataUnavailable(about_path("class folder", folder, reason))
    if not classes:
        raise DataUnavailable(
            about_path("dataset", f"folder:{root}", "is empty; allowed: a folder for each class")
        )
    return classes


class _Walk:
    """A walk through folders that keeps within the first one and counts what it meets."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._entries = 0

    def below(self, folder: str, depth: int = 1) -> Iterator[tuple[str, list[str]]]:
        """Yield each folder from this one downwards with the sorted names of its images."""
        if depth > MAX_DEPTH:
            reason = f"lies too deep; allowed: {MAX_DEPTH} folders below the data set's"
            raise DataUnavailable(about_path("folder", folder, reason))
        folders, images = self.subfolders(folder)
        yield folder, sorted(images)
        for inner in folders:
            yield from self.below(inner, depth + 1)

    def subfolders(self, folder: str) -> tuple[list[str], list[str]]:
        """Return the paths of the folders in a folder, and the names of its images."""
        folders, images = [], []
        with os.scandir(folder) as entries:
            for entry in entries:
                self._count()
                if entry.is_dir():
                    self._check_folder(entry)
                    folders.append(entry.path)
                elif entry.name.lower().endswith(SUFFIXES):
                    self._check_image(entry)
                    images.append(entry.name)
        return folders, images

    def _count(self) -> None:
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            reason = f"has more files and folders than allowed: {MAX_ENTRIES}"
            raise DataUnavailable(about_path("dataset", f"folder:{self._root}", reason))

    def _check_folder(self, entry: os.DirEntry[str]) -> None:
        self._check_link(entry)
        if entry.is_symlink():
            reason = "leads in a circle or to a folder that is read anyway; allowed: to images"
            raise DataUnavailable(about_path("link", entry.path, reason))

    def _check_image(self, entry: os.DirEntry[str]) -> None:
        self._check_link(entry)
        if not entry.is_file():
            reason = "cannot be read: it is no regular file"
            raise DataUnavailable(about_path("image", entry.path, reason))

    def _check_link(self, entry: os.DirEntry[str]) -> None:
        if not entry.is_symlink():
            return
        target = os.path.realpath(entry.path)
        if os.path.commonpath([target, self._root]) != self._root:
            reason = "leaves the folder; allowed: to images within it"
            raise DataUnavailable(about_path("link", entry.path, reason))
