"""Files that appear whole or not at all, and files that are read only when they are plain ones."""

import io
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from diffusion.errors import about_path


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file aside and rename it, so that no reader sees half of it.

    The content is on the disk before the name is, and both are when this returns: whoever then
    writes down that the file exists is right after a power cut too.

    Raises:
        OSError: the disk is full, or the folder is missing or cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)  # a dead process's, or a link that leads elsewhere
    try:
        with aside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        _put_on_disk(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def whole_path(path: Path | str) -> Path:
    """Return a path absolute, without links and with the home folder that it begins with.

    Raises:
        ValueError: its links lead round in a circle, or there is no such home folder.
    """
    try:
        return Path(path).expanduser().resolve()
    except (OSError, RuntimeError) as error:
        raise ValueError(about_path("path", path, f"leads nowhere: {error}")) from error


def check_out(path: Path, suffixes: Sequence[str] = (), option: str = "--out") -> None:
    """Refuse a path that no file can be written to; a FIFO or a device would lose its place.

    Args:
        path: of the file.
        suffixes: of which its name has to have one; none for any name.
        option: that asks for the file.

    Raises:
        ValueError: it ends otherwise, is in no folder, or is no regular file.
    """
    if suffixes and not path.name.lstrip(".").endswith(tuple(suffixes)):
        reason = f"ends otherwise; allowed: a name that ends in {' or '.join(suffixes)}"
    elif not path.parent.is_dir():
        reason = f"is in no folder: {path.parent} is none"
    elif path.exists() and not path.is_file():
        reason = "is no regular file; allowed: a file's name, new or not"
    else:
        return
    raise ValueError(about_path(option, path, reason))


def open_regular(path: Path | str) -> io.BufferedReader:
    """Open a regular file for reading; a FIFO or a device would block, or never end.

    Raises:
        ValueError: it is something else.
        OSError: it is missing or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("it is no regular file")
    return os.fdopen(descriptor, "rb")


def read_bounded(path: Path | str, most_bytes: int) -> bytes:
    """Return the content of a regular file, which may be a link's target.

    Raises:
        ValueError: it is something else, or longer.
        OSError: it is missing or cannot be read.
    """
    with open_regular(path) as file:
        length = os.fstat(file.fileno()).st_size
        if length > most_bytes:
            raise ValueError(f"it has {length:,} bytes; allowed: up to {most_bytes:,}")
        return file.read(length)  # of more bytes the buffer would be as long


def _put_on_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
