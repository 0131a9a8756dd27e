"""A run's folder as its driver marked it: who reads the mark sees that very folder."""

import platform
import secrets
from pathlib import Path

from diffusion.errors import one_line
from diffusion.files import write_bytes
from study.run.files import read_regular

MARK, MARK_BYTES = ".mark", 64
ALLOWED = "a folder on a disk that every node mounts under the same path"


class FolderUnseen(OSError):
    """This machine does not see the folder of the run."""


def mark(run_dir: Path) -> str:
    """Leave a new mark in a run's folder, and return what it says."""
    text = secrets.token_hex(MARK_BYTES // 2)
    write_bytes(run_dir / MARK, text.encode())
    return text


def read_mark(run_dir: Path) -> str | None:
    """Return what the mark in a run's folder says; None where there is none."""
    try:
        return read_regular(run_dir / MARK, MARK_BYTES).decode(errors="replace")
    except (OSError, ValueError):
        return None


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
