"""The archive of a package: a ZIP of two members, written whole and read within bounds.

The bounds are what keeps a small hostile file from filling the memory: of the file's length, of
the archive's directory, and of each member as it is inflated, whatever the archive declares.
"""

import io
import os
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from diffusion.files import open_regular

HEADER, CONTENT = "model.json", "weights.bin"
FORMAT1_WEIGHTS = "weights.safetensors"
FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # The same model gives the same bytes.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Deflate's effort, sizes after the data, names in UTF-8. What is left is encryption and patches.
FLAGS = 0x0002 | 0x0004 | 0x0008 | 0x0800
MAX_DIRECTORY_BYTES = 4096  # Two entries take 127.
# The end of an archive: signature, two disk numbers, entries here and in all, length and offset
# of the directory, length of the comment.
END = struct.Struct("<4s4H2LH")
END_SIGNATURE = b"PK\x05\x06"
# An extra field before a member's bytes: its kind, which readers of archives skip, and length.
PADDING = struct.Struct("<2H")
PADDING_ID = 0xD4B0
LEAST_PADDING = PADDING.size

ReadMember = Callable[[str, int], bytes]


def pack_members(contents: dict[str, bytes], padding: int = 0) -> bytes:
    """Return an archive of these members, in their order; the content is compressed already.

    Args:
        padding: how many bytes the file shall be longer: none, or at least `LEAST_PADDING`.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compresslevel=9) as archive:
        for name, content in contents.items():
            member = zipfile.ZipInfo(name, FIXED_DATE)
            member.compress_type = METHODS[name != CONTENT]
            if padding and name == CONTENT:
                field = PADDING.pack(PADDING_ID, padding - PADDING.size)
                member.extra = field + bytes(padding - PADDING.size)
            archive.writestr(member, content)
            member.extra = b""  # of the directory, which would have it a second time
    return buffer.getvalue()


@contextmanager
def open_members(path: Path | str, most_bytes: int) -> Iterator[ReadMember]:
    """Open the archive of a header and weights.

    Args:
        path: a regular file.
        most_bytes: a longer file is refused.

    Yields:
        A function that reads a member, given its name and the most bytes that it may have.

    Raises:
        ValueError: the file is no such archive; zipfile raises its own errors too.
        OSError: the file cannot be read.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most_bytes:
            raise ValueError(f"it has {size} bytes; allowed: at most {most_bytes}")
        _check_end(file, size)
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _check_members(members)
            yield partial(_read_member, archive, {m.filename: m for m in members})


def _check_end(file: BinaryIO, size: int) -> None:
    """Refuse a directory of many entries before zipfile holds all of them in memory."""
    file.seek(max(size - END.size, 0))
    content = file.read(END.size)
    if len(content) < END.size or not content.startswith(END_SIGNATURE):
        raise ValueError("it does not end as a package does; allowed: a whole one")
    _, _, _, _, entries, directory_bytes, offset, _ = END.unpack(content)
    if entries != 2 or directory_bytes > MAX_DIRECTORY_BYTES:
        raise ValueError(f"its archive has {entries} members; allowed: {HEADER} and {CONTENT}")
    if offset + directory_bytes + END.size != size:
        raise ValueError("its archive does not begin where the file does")


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    names = [member.filename for member in members]
    if sorted(names) not in ([HEADER, CONTENT], [HEADER, FORMAT1_WEIGHTS]):
        raise ValueError(f"its archive has the members {names}; allowed: {HEADER} and {CONTENT}")
    if min(member.header_offset for member in members) != 0:
        raise ValueError("its archive does not begin where the file does")
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise ValueError(f"{member.filename} is no regular file in the archive")
        if member.compress_type not in METHODS:
            raise ValueError(
                f"{member.filename} is compressed by method {member.compress_type}; allowed: "
                f"{zipfile.ZIP_STORED} (stored) or {zipfile.ZIP_DEFLATED} (deflated)"
            )
        if member.flag_bits & ~FLAGS:
            raise ValueError(f"{member.filename} is encrypted or patched; allowed: neither")


def _read_member(
    archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], name: str, most_bytes: int
) -> bytes:
    if name not in members:
        raise ValueError(f"its archive has no member {name}")
    member = members[name]
    declared = member.file_size
    if declared > most_bytes:
        raise ValueError(f"{name} has {declared} bytes; allowed: at most {most_bytes}")
    member.file_size = most_bytes + 1  # zipfile stops at the declared size, and so hides more
    with archive.open(member) as file:
        content = file.read(most_bytes + 1)
    if len(content) != declared:
        raise ValueError(f"{name} does not have the {declared} bytes that it declares")
    return content
