"""How a device computes, set in one place, and what is known of the device afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from diffusion.memory import keep_freed


def prepare(device: torch.device) -> None:
    """Set how a device computes, and count a GPU's peak memory from now on.

    On a CPU memory that is freed is kept. On a GPU products of float32 are taken in TF32; cuDNN
    does not choose its kernels by trying them (`benchmark`): they would depend on what else ran
    just then, and the same seed would not give the same numbers.
    """
    if device.type == "cpu":
        keep_freed()
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = False
        torch.cuda.init()  # which counting does not do by itself
        torch.cuda.reset_peak_memory_stats(device)


@contextmanager
def full_float32() -> Iterator[None]:
    """Take products of float32 in full inside, as scores are on whatever device."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)


def device_of(network: nn.Module) -> torch.device:
    """Return where a network's weights are."""
    return next(network.parameters()).device


def gpu_conditions(device: torch.device) -> dict[str, Any]:
    """Return the name of a GPU and the most memory that tensors had there since `prepare`."""
    if device.type != "cuda":
        return {}
    return {
        "gpu": torch.cuda.get_device_name(device),
        "gpu_peak_memory_bytes": torch.cuda.max_memory_allocated(device),
    }
