"""Where networks compute in ways of their own, since a CPU is slow at torch's."""

import torch
from torch import Tensor


def is_on_cpu(images: Tensor) -> bool:
    """Whether own ways are the quick ones; exported programs keep the layers by their names."""
    return images.device.type == "cpu" and not torch.compiler.is_exporting()


def as_multiplied(images: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return both in the precision in which autocast has them multiplied."""
    if not torch.is_autocast_enabled("cpu"):
        return images, weight
    dtype = torch.get_autocast_dtype("cpu")
    return images.to(dtype), weight.to(dtype)
