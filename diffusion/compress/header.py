"""The header of a package: its format version, recipe, tensors and hashes, as JSON."""

import hashlib
import json
import re
from itertools import accumulate
from typing import Any

FORMAT_VERSION = 2
MAX_HEADER_BYTES = 2**20
MAX_NESTING = 8  # A recipe's lists are the fourth level.
HASH = "sha256"
FIELDS = {"format", "recipe", "tensors", "bytes", HASH}
FORMAT1_FIELDS = {"format", "recipe", "tensors"}
FORMAT1_HASHES = ("recipe_sha256", "weights_sha256")  # Not in the earliest packages.


def write_header(
    recipe: dict[str, Any], tensors: list[list[Any]], lengths: list[int], content: bytes
) -> bytes:
    """Return a header.

    Args:
        recipe: as plain values.
        tensors: how each tensor is stored, as plain values.
        lengths: of the parts of the content, in bytes.
        content: of the other member.

    Raises:
        ValueError: it would be longer than a reader takes.
    """
    header = {"format": FORMAT_VERSION, "recipe": recipe, "tensors": tensors, "bytes": lengths}
    written = _compact({**header, HASH: _hash(header, content)}).encode()
    if len(written) > MAX_HEADER_BYTES:
        raise ValueError(f"its header has {len(written)} bytes; allowed: {MAX_HEADER_BYTES}")
    return written


def read_header(content: bytes) -> dict[str, Any]:
    """Parse a header of a version that is known; its values are still unchecked.

    Raises:
        ValueError: it is no JSON, nested too deeply, of another version, or lacks fields.
    """
    text = content.decode()
    _check_nesting(text)
    header = json.loads(text)
    version = header.get("format") if isinstance(header, dict) else None
    if type(version) is not int or version not in (1, FORMAT_VERSION):
        newer = type(version) is int and version > FORMAT_VERSION
        hint = "; it was written by a newer version" if newer else ""
        raise ValueError(f"it has format {version!r}; allowed: 1 or {FORMAT_VERSION}{hint}")
    allowed = [FIELDS]
    if version == 1:
        allowed = [FORMAT1_FIELDS, FORMAT1_FIELDS.union(FORMAT1_HASHES)]
    if set(header) not in allowed:
        raise ValueError(
            f"its header has the fields {sorted(header)}; allowed: {sorted(allowed[-1])}"
        )
    return dict(header)


def check_hash(header: dict[str, Any], content: bytes) -> None:
    """Raise ValueError if a header of format 2 or the content is not what was written."""
    found = _hash({name: value for name, value in header.items() if name != HASH}, content)
    if header[HASH] != found:
        raise ValueError(f"its {HASH} is {header[HASH]!r}, but its content has {found}")


def check_format1_hashes(header: dict[str, Any], weights: bytes) -> bool:
    """Compare the hashes that a header of format 1 has with the content.

    Returns:
        Whether none is missing, as it is in packages of earlier versions.

    Raises:
        ValueError: one differs.
    """
    contents = (_compact(header["recipe"], sort_keys=True).encode(), weights)
    for name, content in zip(FORMAT1_HASHES, contents, strict=True):
        found = hashlib.sha256(content).hexdigest()
        if name in header and header[name] != found:
            raise ValueError(f"its {name} is {header[name]!r}, but its content has {found}")
    return header.keys() >= set(FORMAT1_HASHES)


def _hash(header: dict[str, Any], content: bytes) -> str:
    """Hash all that a package says: its header but for the hash, its keys sorted; the content."""
    digest = hashlib.sha256(_compact(header, sort_keys=True).encode())
    digest.update(content)
    return digest.hexdigest()


def _compact(values: Any, *, sort_keys: bool = False) -> str:
    return json.dumps(values, separators=(",", ":"), sort_keys=sort_keys)


def _check_nesting(text: str) -> None:
    # A text without its closing quote is taken to the end, or each quote would be tried anew.
    outside_texts = re.sub(r'"(?:[^"\\]|\\.)*+"?', "", text, flags=re.DOTALL)
    brackets = re.findall(r"[][{}]", outside_texts)
    depths = accumulate(1 if bracket in "[{" else -1 for bracket in brackets)
    if max(depths, default=0) > MAX_NESTING:
        raise ValueError(f"its header is nested too deeply; allowed: {MAX_NESTING} levels")
