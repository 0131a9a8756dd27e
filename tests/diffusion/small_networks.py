"""Small networks for tests, and how they are called."""

import torch
from torch import nn

from diffusion.recipe import DataConfig, NetworkConfig

DIGITS = DataConfig("digits", 28, 1, 10, "")
COLOUR = DataConfig("photographs", 64, 3, 10, "")
SMALL_WIDTHS = {"ncsn": (8, 16, 32, 64), "ddpm": (8,), "mini_ddpm": (8, 16)}


def config(architecture, widths=None, **fields):
    return NetworkConfig(architecture, widths or SMALL_WIDTHS[architecture], **fields)


def data(image_size, channels=1):
    return DataConfig("some", image_size, channels, 10, "")


def call(network, data, batch=2, labels=None, seed=0):
    shape = (batch, data.channels, data.image_size, data.image_size)
    images = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    labels = torch.arange(batch) if labels is None else torch.tensor(labels)
    with torch.no_grad():
        return network(images, torch.linspace(-1, 1, batch), labels)


def convolutions(network):
    kinds = nn.Conv2d | nn.ConvTranspose2d
    return {name: x for name, x in network.named_modules() if isinstance(x, kinds)}


def perturb(network, seed=0):
    """Move every parameter, so that layers that start at zero take part."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for values in network.parameters():
            values.add_(0.1 * torch.randn(values.shape, generator=generator))
    return network
