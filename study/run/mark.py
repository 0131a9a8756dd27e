"""A run's folder as its driver marked it: who reads the mark sees that very folder.

A mark is a word of the run's own and the number of its driver, as 1f0c...-3. A later driver leaves
a higher number, by which workers of an earlier one that still run know that they shall not write.
"""

import platform
import re
import secrets
from contextlib import suppress
from pathlib import Path

from diffusion.errors import one_line
from diffusion.files import write_bytes
from study.run.files import read_regular

MARK, MARK_BYTES, WORD_BYTES = ".mark", 64, 16
WRITTEN = re.compile(rf"([0-9a-f]{{{2 * WORD_BYTES}}})-(\d{{1,16}})")
ALLOWED = "a folder on a disk that every node mounts under the same path (with a URL: --work-dir)"


class FolderUnseen(OSError):
    """This machine does not see the folder of the run."""


class TakenOver(OSError):
    """A later driver has the run: what an earlier one began is not to write any more."""


def mark(run_dir: Path) -> str:
    """Leave the mark of another driver in a run's folder, and return what it says.

    Raises:
        OSError: the folder cannot be read and written; an earlier mark must not be lost.
    """
    known = None
    with suppress(FileNotFoundError, ValueError):  # there is none, or what stands there is none
        known = WRITTEN.fullmatch(_content(run_dir))
    word, number = known.groups() if known else (secrets.token_hex(WORD_BYTES), "0")
    text = f"{word}-{int(number) + 1}"
    write_bytes(run_dir / MARK, text.encode())
    return text


def read_mark(run_dir: Path) -> str | None:
    """Return what the mark in a run's folder says; None where there is none."""
    try:
        return _content(run_dir)
    except (OSError, ValueError):
        return None


def _content(run_dir: Path) -> str:
    return read_regular(run_dir / MARK, MARK_BYTES).decode(errors="replace")


def check_mark(run_dir: Path, text: str) -> None:
    """Prove that this machine sees a run's folder.

    Args:
        text: of the mark that its driver left there.

    Raises:
        FolderUnseen: it sees none there, or another one.
    """
    if read_mark(run_dir) != text:
        machine = one_line(platform.node())
        raise FolderUnseen(f"machine {machine} does not see {run_dir}; allowed: {ALLOWED}")


def check_driver(run_dir: Path, text: str) -> None:
    """Make sure that no later driver has a run; a folder that is not seen just now says nothing.

    Args:
        text: of the mark of the driver that is worked for.

    Raises:
        TakenOver: one has.
    """
    known, found = WRITTEN.fullmatch(text), WRITTEN.fullmatch(read_mark(run_dir) or "")
    if known and found and known[1] == found[1] and int(known[2]) < int(found[2]):
        raise TakenOver(f"driver {known[2]} of {run_dir} was followed by driver {found[2]}")
