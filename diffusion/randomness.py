"""Random numbers: every draw comes from a generator that its caller has seeded."""

import torch
from torch import Tensor


def white_like(images: Tensor, generator: torch.Generator) -> Tensor:
    """Draw standard normal float32 noise of the images' shape, on their device."""
    return torch.randn(images.shape, generator=generator, device=images.device)
