"""Memory that is freed stays, so that no step waits for new pages."""

import platform
import subprocess
import sys

import pytest

IS_GLIBC = platform.libc_ver()[0] == "glibc"
NUMBERS, ROUNDS = 9_000_000, 20  # more bytes than glibc ever keeps by itself
PAGES = 4 * NUMBERS // 4096
# Prints how many page faults it takes to fill and free a tensor, in rounds after some others.
FAULTS = f"""
import resource, sys, threading
import torch
from diffusion.device import prepare

def fill_and_free():
    for _ in range({ROUNDS}):
        torch.ones({NUMBERS})

def count():
    fill_and_free()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    fill_and_free()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

torch.set_num_threads(1)
if "prepared" in sys.argv:
    prepare(torch.device("cpu"))
thread = threading.Thread(target=count)
count() if "here" in sys.argv else (thread.start(), thread.join())
"""


def faults(*arguments: str) -> int:
    command = [sys.executable, "-c", FAULTS, *arguments]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not IS_GLIBC, reason="memory is allotted by another library than glibc")
@pytest.mark.parametrize("where", ["here", "in a thread"])  # Ray trains in a thread
def test_a_prepared_process_keeps_what_it_frees(where: str) -> None:
    assert faults(where) >= ROUNDS * PAGES
    assert faults(where, "prepared") < PAGES
