"""JSON files that appear whole and are read within bounds, locks, and what is damaged."""

import errno
import io
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock

from diffusion.errors import one_line
from diffusion.files import write_bytes

LOCK = ".lock"
MEGABYTE = 2**20
MOST_DEPTH = 32  # Of lists and objects in each other; none of ours has a quarter of it.


def write_json(path: Path, values: Any) -> None:
    """Write a JSON file aside and rename it."""
    write_bytes(path, (json.dumps(values, indent=2) + "\n").encode())


def write_text(path: Path, text: str) -> None:
    """Write a text where a person asked for it, which may be a pipe that another program reads.

    Raises:
        OSError: it cannot be written, or it is a FIFO that nobody reads.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK
    descriptor = os.open(path, flags, 0o666)
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def read_json(path: Path, most_bytes: int = MEGABYTE) -> Any:
    """Read a JSON file of ours, which may have been replaced by anything.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is no regular file, too long or nested too deep, or no JSON.
    """
    return parse_json(read_regular(path, most_bytes), path)


def parse_json(content: bytes, path: Path | str) -> Any:
    """Return what the content of a JSON file means.

    Raises:
        ValueError: it is no JSON or nested too deep; the message names the file.
    """
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(one_line(f"{path} is no JSON ({error})")) from error
    if _is_deeper(values, MOST_DEPTH):
        raise ValueError(one_line(f"{path} is nested too deep; allowed: {MOST_DEPTH} levels"))
    return values


def read_regular(path: Path, most_bytes: int) -> bytes:
    """Return the content of a regular file; links are not followed, and no FIFO is waited for.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is something else, or longer.
    """
    with open_own(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(min(size, most_bytes) + 1)
    if len(content) > most_bytes:
        raise ValueError(one_line(f"{path} is too long; allowed: up to {most_bytes:,} bytes"))
    return content


def check_regular(path: Path) -> None:
    """Refuse what is no regular file, such as a link or a FIFO; what is missing is none either.

    Raises:
        ValueError: it is something else.
        OSError: it is missing.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        raise _irregular(path)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from what they do in a folder under its lock; a kill frees it.

    Raises:
        OSError: the lock cannot be had there, or its file is a link.
    """
    with FileLock(folder / LOCK, fallback_to_soft=False):
        yield


def make_own(folder: Path) -> None:
    """Make a trial's folder where there is none; a link in its place would lead elsewhere.

    Raises:
        ValueError: it, or the folder that holds it, is a link.
        OSError: the run's folder is not there; a worker makes none of its own.
    """
    for path in (folder.parent, folder):
        if path.is_symlink():
            raise ValueError(one_line(f"{path} is a link; allowed: a folder of the run's own"))
    for path in (folder.parent, folder):
        path.mkdir(exist_ok=True)


def set_aside(path: Path) -> Path:
    """Rename a damaged file or folder, so that it can be looked at; return its new path."""
    names = (path.with_name(f".{path.name}.damaged{number or ''}") for number in count())
    aside = next(candidate for candidate in names if not os.path.lexists(candidate))
    path.replace(aside)
    return aside


def open_own(path: Path) -> io.BufferedReader:
    """Open a regular file of a run for reading; a link is refused, wherever it leads.

    Raises:
        ValueError: it is a link, or something else.
        OSError: it is missing or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ELOOP and path.is_symlink():
            raise _irregular(path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _irregular(path)
    return os.fdopen(descriptor, "rb")


def _irregular(path: Path) -> ValueError:
    return ValueError(one_line(f"{path} is no regular file; allowed: a file, and no link to one"))


def _is_deeper(values: Any, most: int) -> bool:
    """Whether lists and objects lie in each other on more than so many levels."""
    level = [values]
    for _ in range(most + 1):
        inner = [part for part in level if isinstance(part, list | dict)]
        level = [
            child
            for part in inner
            for child in (part.values() if isinstance(part, dict) else part)
        ]
        if not inner:
            return False
    return True
