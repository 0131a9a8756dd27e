"""Small images of noise in ten classes, for tests in which it does not matter what is trained."""

import torch

from diffusion.data import ImageDataset


def noise_dataset() -> ImageDataset:
    """Return 96 grey images of 12x12 pixels, 64 of them to train on."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (96, 1, 12, 12), dtype=torch.uint8, generator=generator)
    labels = torch.arange(96) % 10
    names = tuple(map(str, range(10)))
    return ImageDataset("noise", names, images[:64], labels[:64], images[64:], labels[64:])
