"""What goes to a worker with its trial, packed: Tune keeps it for as long as a search runs."""

import base64
import json
import zlib
from typing import Any


def pack(values: Any) -> str:
    """Return plain values as a short text; recipes of one backbone are nearly alike."""
    return base64.b64encode(zlib.compress(json.dumps(values).encode(), 1)).decode()


def unpack(text: str) -> Any:
    """Return what was packed."""
    return json.loads(zlib.decompress(base64.b64decode(text)))
