"""Mean and standard deviation of a data set's pixels, by which a denoiser standardises them."""

import torch
from torch import Tensor

LEAST_PIXEL_STD = 0.001  # Images of one value are divided by it.


def pixel_statistics(images: Tensor) -> dict[str, float]:
    """Return the mean and standard deviation of all values of images in [-1, 1].

    Both are of the whole histogram in float64, so that they are exact whatever the order of the
    images, and rounded to 4 decimals. Images of one value have a deviation of 0.001.

    Args:
        images: [N, C, H, W] uint8.
    """
    counts = torch.bincount(images.flatten(), minlength=256).double()
    values = torch.arange(256, dtype=torch.float64) / 127.5 - 1
    mean = (counts * values).sum() / counts.sum()
    std = ((counts * (values - mean) ** 2).sum() / counts.sum()).sqrt()
    return {
        "pixel_mean": round(mean.item(), 4),
        "pixel_std": max(round(std.item(), 4), LEAST_PIXEL_STD),
    }
