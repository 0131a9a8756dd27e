"""Images brought to one size, square."""

from torch import Tensor


def as_squares(images: Tensor, size: int) -> Tensor:
    """Return the middle square of each image, resized bilinearly with antialiasing.

    Args:
        images: [N, C, H, W] uint8, or one of them.
        size: pixels a side.

    Returns:
        The same shape with H = W = size.
    """
    height, width = images.shape[-2:]
    if height == width == size:
        return images
    from torchvision.transforms.v2 import functional as transform

    squares = transform.center_crop(images, [min(height, width)])
    return transform.resize(squares, [size, size], antialias=True)
