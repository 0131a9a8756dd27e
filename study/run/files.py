"""JSON files that appear whole, locked folders, and damaged files kept out of the way."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from diffusion.files import write_bytes

LOCK = ".lock"


def write_json(path: Path, values: Any) -> None:
    """Write a JSON file aside and rename it."""
    write_bytes(path, (json.dumps(values, indent=2) + "\n").encode())


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from what they do in a folder under its lock; a kill frees it."""
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def set_aside(path: Path) -> Path:
    """Rename a damaged file or folder, so that it can be looked at; return its new path."""
    names = (path.with_name(f".{path.name}.damaged{number or ''}") for number in count())
    aside = next(candidate for candidate in names if not candidate.exists())
    path.replace(aside)
    return aside
