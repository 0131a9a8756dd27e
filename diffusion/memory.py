"""Memory of whatever device: kept for what comes next, and when it ran out."""

import ctypes
import platform

import torch

# The parameters' numbers in glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 2**30


def keep_freed() -> None:
    """Have this process keep memory that is freed, up to a gigabyte, where glibc allots it.

    A step frees its tensors and asks for as many in the next one. By itself glibc hands them back
    to the system, which takes a fault for each page that is new again: 7,000 of them were a fifth
    of a step of the NCSN.
    """
    if platform.libc_ver()[0] == "glibc":
        glibc = ctypes.CDLL(None)
        glibc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        glibc.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, of the machine or of a GPU."""
    # On the CPU torch raises a plain RuntimeError.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )
