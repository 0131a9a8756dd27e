"""Whether a folder may be a store of backbones and cool-downs, told before it is written to."""

import os
import re
import reprlib
from pathlib import Path
from typing import Any

from study.run.files import read_json, write_json
from study.run.key_folder import FORMAT_VERSION, MOST_RECORD_BYTES, RECORD

MARKER = "store.json"
KEY = re.compile(r"[0-9a-f]{16}")


def check_store(root: Path) -> None:
    """Refuse a folder that holds anything but trainings of this version; nothing is written.

    Raises:
        ValueError: it is a file or a link, holds trainings of another version, or other things.
    """
    if not os.path.lexists(root):
        return
    if root.is_symlink():
        raise ValueError(f"store {root} is a link; allowed: a folder")
    if not root.is_dir():
        raise ValueError(f"store {root} is a file; allowed: a folder")
    # What a crash or damage left aside is hidden.
    entries = [path for path in root.iterdir() if not path.name.startswith(".")]
    trainings = [path for path in entries if KEY.fullmatch(path.name) and path.is_dir()]
    if entries and not trainings and not (root / MARKER).is_file():
        raise ValueError(
            f"folder {root} is no store of trainings: it holds {min(entries).name!r}; allowed: "
            "a store, an empty folder or a new one"
        )
    for path in (root / MARKER, *(folder / RECORD for folder in trainings)):
        _check_format(path)


def open_store(root: Path) -> None:
    """Make a folder a store, marked with this version's format.

    Raises:
        ValueError: it cannot be one, as `check_store` tells.
    """
    check_store(root)
    root.mkdir(parents=True, exist_ok=True)
    if not (root / MARKER).exists():
        write_json(root / MARKER, {"format": FORMAT_VERSION})


def _check_format(path: Path) -> None:
    """Refuse another version's file; what is missing or damaged says nothing of its version."""
    try:
        values: Any = read_json(path, MOST_RECORD_BYTES)
    except (FileNotFoundError, ValueError):
        return
    found = values.get("format") if isinstance(values, dict) else None
    if found is not None and found != FORMAT_VERSION:
        raise ValueError(
            f"store file {path} has format {reprlib.repr(found)}; allowed: {FORMAT_VERSION}. "
            "Leave the store to the version that wrote it, and give --store another folder"
        )
