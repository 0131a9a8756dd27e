"""Random numbers that do not depend on the device: all are drawn on the CPU, then moved.

CPU and CUDA draw other numbers from the same seed, and refuse each other's generator states. A
recipe names no device, so its noise, and the checkpoint of its training, must not depend on one.
"""

import torch
from torch import Tensor


def white_like(images: Tensor, generator: torch.Generator) -> Tensor:
    """Draw standard normal float32 noise for images.

    Args:
        images: [N, C, H, W], on any device.
        generator: on the CPU.

    Returns:
        [N, C, H, W] float32 on the images' device.
    """
    return torch.randn(images.shape, generator=generator, device="cpu").to(images.device)
