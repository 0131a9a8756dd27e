"""The journal as a file: whether it is ours, its torn end, and where it is damaged.

Each of its lines is one JSON object. Optuna passes over a last line that a crash tore off, once;
then it appends to it and can never read the file again.
"""

import json
import os
from pathlib import Path

from diffusion.errors import one_line
from study.run.files import check_regular

# What Optuna raises where it reads entries that it did not write.
UNREADABLE = (
    *(ValueError, LookupError, TypeError, AttributeError, AssertionError),
    *(ArithmeticError, RecursionError),
)
MOST_BYTES = 2**31  # some 100,000 trials
BEGINNING = b'{"op_code"'  # of every line


def check_journal(path: Path) -> None:
    """Refuse what is no journal by its kind, size and first bytes, before it is read whole.

    Raises:
        ValueError: it is none.
        OSError: it is missing or cannot be read.
    """
    check_regular(path)
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"journal {path} has {size:,} bytes; allowed: up to {MOST_BYTES:,}")
    with path.open("rb") as journal:
        beginning = journal.read(20)
    if not BEGINNING.startswith(beginning[: len(BEGINNING)]):
        raise ValueError(f"{path} is no journal of a study: it begins with {beginning!r}")


def mend_journal(path: Path) -> None:
    """Cut off a last line that a crash left unfinished; a journal that is not ours stays as it is.

    Raises:
        ValueError: it is no journal or no regular file, or its last whole line is damaged.
        OSError: it cannot be read and written.
    """
    if not os.path.lexists(path):
        return
    check_journal(path)
    with path.open("rb+") as journal:
        content = journal.read()
        whole = content.rfind(b"\n") + 1
        # A damaged one would be appended to, and only then not be read.
        last = content.rfind(b"\n", 0, max(whole - 1, 0)) + 1
        if whole and not _is_entry(content[last:whole]):
            number = content.count(b"\n")
            raise ValueError(f"journal {path} is damaged in line {number}, its last whole one")
        if whole < len(content):
            journal.truncate(whole)
            os.fsync(journal.fileno())


def journal_fault(path: Path | None, error: Exception) -> str:
    """Say that a journal cannot be read, in which line where that can be told, and why."""
    if path is None:
        return one_line(f"study in memory cannot begin ({type(error).__name__}: {error})")
    with path.open("rb") as journal:
        lines = enumerate(journal, start=1)
        damaged = next((number for number, line in lines if not _is_entry(line)), None)
    where = "" if damaged is None else f" in line {damaged}"
    return one_line(f"journal {path} cannot be read{where} ({type(error).__name__}: {error})")


def _is_entry(line: bytes) -> bool:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(entry, dict) and "op_code" in entry
