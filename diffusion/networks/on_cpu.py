"""Where networks compute in ways of their own, since a CPU is slow at torch's."""

import torch
from torch import Tensor


def has_own_ways(images: Tensor) -> bool:
    """Whether they are the quick ones; exported programs keep the layers by their names."""
    return images.device.type == "cpu" and not torch.compiler.is_exporting()


def at_least_single(values: Tensor) -> Tensor:
    """Return bf16 values in float32, and others as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def as_multiplied(images: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return both in the precision in which autocast has them multiplied."""
    if not torch.is_autocast_enabled("cpu") or images.dtype == torch.float64:
        return images, weight
    dtype = torch.get_autocast_dtype("cpu")
    return images.to(dtype), weight.to(dtype)
