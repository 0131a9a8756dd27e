"""Processes of a running command: found through /proc, waited for and killed for real."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.02
PIPE_BYTES = 2**16


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start a command; what a failed test leaves of it is killed."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                kill(tree(process.pid))


def wait_until(process: subprocess.Popen[Any], happened: Callable[[], Any]) -> None:
    """Wait for what a running process brings about, however long it takes it."""
    while not happened():
        assert process.poll() is None, f"the process ended before: {_said(process)}"
        time.sleep(POLL_SECONDS)


def lines(path: Path) -> int:
    """Return how many lines a file has, none where it is not there yet."""
    return len(path.read_text().splitlines()) if path.exists() else 0


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


def _said(process: subprocess.Popen[Any]) -> str:
    """Return what an ended process wrote into its pipes, which its children may hold open."""
    said = b""
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            os.set_blocking(pipe.fileno(), False)
            with suppress(BlockingIOError):  # a child holds it open, and wrote no more
                while part := os.read(pipe.fileno(), PIPE_BYTES):
                    said += part
    return said.decode(errors="replace")


def _parent(folder: Path) -> int | None:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None
