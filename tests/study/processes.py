"""Processes of a running command: found through /proc, killed for real."""

import os
import signal
from pathlib import Path


def tree(pid: int) -> list[int]:
    """Return a process and all that descend from it, itself first."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (parent := _parent(folder)) is not None:
            children.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for process in found:
        found += children.get(process, [])
    return found


def name(pid: int) -> str:
    """Return what a process calls itself, empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def workers(pid: int) -> list[int]:
    """Return the processes that evaluate trials for a driver, by the name that Ray gives them."""
    return [child for child in tree(pid)[1:] if name(child).startswith("ray::ImplicitFunc")]


def kill(pids: list[int]) -> None:
    """Kill processes at once; those that are gone are no error."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _parent(folder: Path) -> int | None:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None
