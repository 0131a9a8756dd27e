"""Where networks compute in ways of their own, since a CPU is slow at torch's."""

import torch
from torch import Tensor


def has_own_ways(images: Tensor) -> bool:
    """Whether they are the quick ones; exported programs keep the layers by their names."""
    return images.device.type == "cpu" and not torch.compiler.is_exporting()


def is_quicker_by_products(images: Tensor) -> bool:
    """Whether products stand for convolutions; those in bf16 are quicker as they are."""
    return has_own_ways(images) and not torch.is_autocast_enabled("cpu")
