"""The journal as a file: a torn end is cut off, and what is damaged is named in one line."""

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from diffusion.errors import LONGEST_LINE
from study.run.journal import MOST_BYTES, journal_fault, mend_journal
from study.run.reading import read_journal

LINE = b'{"op_code":0}\n'


@pytest.mark.parametrize("torn", [b"", b"{", b'{"op_code":4,"wor', b'{"op_code":4}'])
def test_a_line_without_its_end_is_cut_off(torn: bytes, tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    path.write_bytes(2 * LINE + torn)
    mend_journal(path)
    assert path.read_bytes() == 2 * LINE


def test_a_missing_journal_stays_missing(tmp_path: Path) -> None:
    mend_journal(tmp_path / "study.journal")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
def test_what_is_no_regular_file_is_left_alone(kind: str, tmp_path: Path) -> None:
    path, outside = tmp_path / "study.journal", tmp_path / "outside"
    outside.write_bytes(LINE + b"{")
    {"fifo": os.mkfifo, "folder": os.mkdir, "link": lambda path: path.symlink_to(outside)}[kind](
        path
    )
    with pytest.raises(ValueError, match="is no regular file; allowed: a file"):
        mend_journal(path)
    assert outside.read_bytes() == LINE + b"{"


@pytest.mark.parametrize("line", [b"[" * 100_000, b'{"a":1}', b"7", b"\xff"])
def test_a_fault_names_the_line_and_is_short(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    path.write_bytes(LINE + line + b"\n" + LINE)
    fault = journal_fault(path, ValueError("x" * 5_000))
    assert fault.startswith(f"journal {path} cannot be read in line 2 (ValueError: x")
    assert len(fault) <= LONGEST_LINE
    assert "in memory cannot begin (KeyError: 'a')" in journal_fault(None, KeyError("a"))


@pytest.mark.parametrize("read", [mend_journal, lambda path: read_journal(path, ("fid",))])
def test_what_is_too_large_or_begins_otherwise_is_not_read_whole(
    read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "study.journal"
    for size, why in ((MOST_BYTES + 1, "allowed: up to"), (MOST_BYTES, "is no journal")):
        with path.open("wb") as sparse:
            sparse.truncate(size)
        tracemalloc.start()
        with pytest.raises(ValueError, match=why):
            read(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 10_000_000
