"""Structural similarity of two sets of images (Wang et al. 2004)."""

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW_SIZE, WINDOW_STD = 11, 1.5  # Section III.C: a circular Gaussian window.
K1, K2 = 0.01, 0.03
LARGEST = 255.0
BATCH_SIZE = 500


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean structural similarity of pairs of images (equations 13 and 17).

    Args:
        first, second: [N, C, H, W] uint8, at least 11 pixels high and wide.

    Returns:
        [N] float64 in [-1, 1]; 1 for equal images. Windows that the border cuts are left out.

    Raises:
        ValueError: the shapes differ, the images are smaller than the window or no bytes.
    """
    are_bytes = first.dtype == second.dtype == torch.uint8
    if not are_bytes or first.shape != second.shape or min(first.shape[2:]) < WINDOW_SIZE:
        raise ValueError(
            f"images are {list(first.shape)} {first.dtype} and {list(second.shape)} "
            f"{second.dtype}; allowed: equal shapes of {WINDOW_SIZE} pixels or more, torch.uint8"
        )
    parts = zip(first.split(BATCH_SIZE), second.split(BATCH_SIZE), strict=True)
    return torch.cat([_ssim(x.double(), y.double()) for x, y in parts])


def _ssim(x: Tensor, y: Tensor) -> Tensor:
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x = _blur(x * x) - mean_x**2
    variance_y = _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    c1, c2 = (K1 * LARGEST) ** 2, (K2 * LARGEST) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return (luminance * structure).flatten(1).mean(dim=1)


def _blur(images: Tensor) -> Tensor:
    """Average [N, C, H, W] under the window, channel by channel."""
    offsets = torch.arange(WINDOW_SIZE, dtype=images.dtype) - WINDOW_SIZE // 2
    weights = torch.exp(-(offsets**2) / (2 * WINDOW_STD**2))
    weights = (weights / weights.sum()).expand(images.shape[1], 1, 1, -1)
    rows = F.conv2d(images, weights, groups=images.shape[1])
    return F.conv2d(rows, weights.transpose(2, 3), groups=images.shape[1])
