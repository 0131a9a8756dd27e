"""Files of a run's folder that are its own: no link in it is followed."""

import os
import shutil
import stat
from pathlib import Path

MAX_PICTURE_BYTES = 2**26


def read_own(folder: Path, path: Path, max_bytes: int) -> bytes | None:
    """Return the content of a file in a folder; None where it is missing.

    Args:
        folder: may itself be reached by a link.
        path: of the file, in the folder or below it.
        max_bytes: a larger file is refused.

    Raises:
        ValueError: the file, or a folder on the way to it, is a link or anything but what it is
            taken for, or the file is too large.
    """
    parents = [parent for parent in path.parents if parent.is_relative_to(folder)]
    for parent in sorted(parents)[1:]:
        _check_folder(parent)
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{path} is {_kind(found.st_mode)}; allowed: a regular file")
    if found.st_size > max_bytes:
        raise ValueError(f"{path} has {found.st_size:,} bytes; allowed: at most {max_bytes:,}")
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        return file.read(found.st_size)  # of more bytes the buffer would be as long


def remove_own(path: Path) -> None:
    """Remove a file, a folder with all that it holds, or a link but not what it leads to."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _check_folder(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return  # and then neither is there the file
    if not stat.S_ISDIR(mode):
        kind = "a link" if stat.S_ISLNK(mode) else "no folder"
        raise ValueError(f"{path} is {kind}; allowed: a folder")


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a link"
    return "a folder" if stat.S_ISDIR(mode) else "no regular file"
