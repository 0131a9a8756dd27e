"""Images side by side are laid as torchvision lays them."""

import pytest
import torch
from torchvision.utils import make_grid

from study.evaluation.tiling import tiled


@pytest.mark.parametrize(("count", "columns"), [(2, 1), (2, 5), (6, 3), (7, 3), (20, 10)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_is_that_of_torchvision(count: int, columns: int, channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (count, channels, 4, 5)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    expected = make_grid(images, nrow=columns, padding=2, pad_value=128)
    assert torch.equal(tiled(images, columns, 2, 128), expected)


def test_one_image_has_a_margin_too() -> None:
    grid = tiled(torch.zeros(1, 1, 4, 5, dtype=torch.uint8), 3, 2, 128)
    assert grid.shape == (3, 8, 9)
    assert (grid[:, 2:6, 2:7] == 0).all()
    assert grid.sum() == 128 * 3 * (8 * 9 - 4 * 5)
