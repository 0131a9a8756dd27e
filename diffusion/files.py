"""Files that appear whole or not at all, and files that are read only when they are plain ones."""

import io
import os
import stat
from pathlib import Path


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


def _put_on_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
