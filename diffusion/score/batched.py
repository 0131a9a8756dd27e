"""Networks that score, applied to any number of images."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffusion.device import full_float32


@torch.inference_mode()
def in_batches(
    network: Callable[[Tensor], Tensor],
    images: Tensor,
    batch_size: int,
    device: torch.device,
) -> Tensor:
    """Apply a network to images, so many at once, in full precision.

    Args:
        network: lies on the device, and maps [B, C, H, W] to [B, ...].
        images: [N, C, H, W], on the CPU.
        batch_size: images at once.
        device: where the network runs.

    Returns:
        [N, ...] on the CPU.
    """
    with full_float32():
        return torch.cat([network(batch.to(device)).cpu() for batch in images.split(batch_size)])
