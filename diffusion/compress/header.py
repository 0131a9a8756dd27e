"""The header of a package: its format version, recipe, tensors and hashes, as JSON."""

import hashlib
import json
import re
from itertools import accumulate
from typing import Any

FORMAT_VERSION = 1
MAX_HEADER_BYTES = 2**20
MAX_NESTING = 8  # A recipe's lists are the fourth level.
FIELDS = {"format", "recipe", "tensors"}
HASHES = ("recipe_sha256", "weights_sha256")  # Not in packages of earlier versions.


def write_header(recipe: dict[str, Any], tensors: dict[str, Any], weights: bytes) -> bytes:
    """Return a header.

    Args:
        recipe: as plain values.
        tensors: how each tensor is stored, as plain values.
        weights: the content of the other member.
    """
    header = {"format": FORMAT_VERSION, "recipe": recipe, "tensors": tensors}
    return _compact(header | _hashes(recipe, weights)).encode()


def read_header(content: bytes) -> dict[str, Any]:
    """Parse a header of our version; its recipe, tensors and hashes are still unchecked.

    Raises:
        ValueError: it is no JSON, nested too deeply, of another version, or lacks fields.
    """
    text = content.decode()
    _check_nesting(text)
    header = json.loads(text)
    version = header.get("format") if isinstance(header, dict) else None
    if type(version) is not int or version != FORMAT_VERSION:
        raise ValueError(f"it has format {version!r}; allowed: {FORMAT_VERSION}")
    fields = set(header)
    if fields not in (FIELDS, FIELDS.union(HASHES)):  # without hashes: of an earlier version
        raise ValueError(
            f"its header has the fields {sorted(fields)}; allowed: {sorted(FIELDS)} and hashes"
        )
    return dict(header)


def check_hashes(header: dict[str, Any], weights: bytes) -> bool:
    """Compare the hashes that a header has with the content.

    Returns:
        Whether none is missing, as it is in packages of earlier versions.

    Raises:
        ValueError: one differs.
    """
    for name, found in _hashes(header["recipe"], weights).items():
        if name in header and header[name] != found:
            raise ValueError(f"its {name} is {header[name]!r}, but its content has {found}")
    return header.keys() >= set(HASHES)


def _hashes(recipe: dict[str, Any], weights: bytes) -> dict[str, str]:
    contents = (_compact(recipe, sort_keys=True).encode(), weights)
    return {
        name: hashlib.sha256(content).hexdigest()
        for name, content in zip(HASHES, contents, strict=True)
    }


def _compact(values: Any, *, sort_keys: bool = False) -> str:
    return json.dumps(values, separators=(",", ":"), sort_keys=sort_keys)


def _check_nesting(text: str) -> None:
    # A text without its closing quote is taken to the end, or each quote would be tried anew.
    outside_texts = re.sub(r'"(?:[^"\\]|\\.)*+"?', "", text, flags=re.DOTALL)
    brackets = re.findall(r"[][{}]", outside_texts)
    depths = accumulate(1 if bracket in "[{" else -1 for bracket in brackets)
    if max(depths, default=0) > MAX_NESTING:
        raise ValueError(f"its header is nested too deeply; allowed: {MAX_NESTING} levels")
