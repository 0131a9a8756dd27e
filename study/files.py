"""JSON files that appear whole, and damaged files that are kept out of the way."""

import json
from itertools import count
from pathlib import Path
from typing import Any

from diffusion.files import write_bytes


def write_json(path: Path, values: Any) -> None:
    """Write a JSON file aside and rename it."""
    write_bytes(path, (json.dumps(values, indent=2) + "\n").encode())


def set_aside(path: Path) -> Path:
    """Rename a damaged file or folder, so that it can be looked at; return its new path."""
    names = (path.with_name(f".{path.name}.damaged{number or ''}") for number in count())
    aside = next(candidate for candidate in names if not candidate.exists())
    path.replace(aside)
    return aside
