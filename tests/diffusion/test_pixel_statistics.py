"""The pixels' mean and standard deviation of images that have known ones."""

import pytest
import torch

from diffusion.pixel_statistics import pixel_statistics


@pytest.mark.parametrize(
    ("values", "mean", "std"), [([0, 255], 0, 1), ([255, 255], 1, 0.001), ([0, 51], -0.8, 0.2)]
)
def test_pixel_statistics_of_known_images(values, mean, std):
    images = torch.tensor(values, dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    assert pixel_statistics(images) == {"pixel_mean": mean, "pixel_std": std}
