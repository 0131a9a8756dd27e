"""Files that appear whole or not at all, and damaged ones that are kept out of the way."""

import json
import os
from itertools import count
from pathlib import Path
from typing import Any


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file aside and rename it, so that no reader sees half of it."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, values: Any) -> None:
    """Write a JSON file aside and rename it."""
    write_bytes(path, (json.dumps(values, indent=2) + "\n").encode())


def set_aside(path: Path) -> Path:
    """Rename a damaged file or folder, so that it can be looked at; return its new path."""
    names = (path.with_name(f".{path.name}.damaged{number or ''}") for number in count())
    aside = next(candidate for candidate in names if not candidate.exists())
    path.replace(aside)
    return aside
