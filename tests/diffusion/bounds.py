"""Bounds of time and memory, within which a piece of code must come to an end."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

KILOBYTE = 1024


class TookTooLong(BaseException):
    """It hangs; no handler of errors catches this."""


def status_bytes(name: str) -> int:
    """Return a size of this process as the kernel knows it, such as VmSize, VmRSS or VmHWM."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{name}:")]
    return int(line.split()[1]) * KILOBYTE


@contextmanager
def at_most(seconds: float, more_bytes: int) -> Iterator[None]:
    """Let the code take so long, and so much more address space than is taken now.

    Raises:
        TookTooLong: it took longer.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, _end)
    # pytest's own time limit uses the same clock.
    before = signal.setitimer(signal.ITIMER_REAL, seconds)
    resource.setrlimit(resource.RLIMIT_AS, (status_bytes("VmSize") + more_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.setitimer(signal.ITIMER_REAL, *before)
        signal.signal(signal.SIGALRM, handler)


def _end(*_: Any) -> NoReturn:
    raise TookTooLong
