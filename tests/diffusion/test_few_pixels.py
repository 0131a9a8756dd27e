"""Convolutions between few pixels equal torch's, forward and backward."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from diffusion.networks.few_pixels import (
    MOST_PIXELS,
    FewPixelsConv2d,
    FewPixelsConvTranspose2d,
)

LAYOUTS = [torch.contiguous_format, torch.channels_last]
# The larger images' sides, the kernel and the stride; some leave pixels that no window reaches.
CASES = [((5, 5), 3, 2), ((6, 5), 3, 2), ((9, 7), 3, 3), ((4, 3), 2, 1), ((10, 11), 3, 2)]


def check(layer: nn.Module, images: torch.Tensor, plain: torch.Tensor) -> None:
    learned = [images, layer.weight]
    ours = layer(images)
    torch.testing.assert_close(ours, plain)
    outer = torch.randn_like(plain)
    found = torch.autograd.grad(ours, learned, outer)
    torch.testing.assert_close(found, torch.autograd.grad(plain, learned, outer))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("sides", "size", "stride"), CASES)
def test_convolution_and_gradients_are_those_of_torch(sides, size, stride, layout, groups):
    torch.manual_seed(size)
    layer = FewPixelsConv2d(4, 6, size, stride, groups).to(memory_format=layout)
    images = torch.randn(3, 4, *sides).to(memory_format=layout).requires_grad_()
    check(layer, images, F.conv2d(images, layer.weight, None, stride, groups=groups))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("sides", [(1, 1), (2, 2), (4, 3), (5, 5)])
def test_transposed_convolution_and_gradients_are_those_of_torch(sides, padding, layout, groups):
    torch.manual_seed(padding)
    layer = FewPixelsConvTranspose2d(4, 6, 3, 2, padding, groups).to(memory_format=layout)
    images = torch.randn(3, 4, *sides).to(memory_format=layout).requires_grad_()
    how = {"stride": 2, "output_padding": padding, "groups": groups}
    check(layer, images, F.conv_transpose2d(images, layer.weight, **how))


def both_layers() -> list[tuple[nn.Module, int, int]]:
    """Return each kind of layer, and the sides of its images where few are 4 x 4 and 5 x 5."""
    return [
        (FewPixelsConv2d(32, 16, 3, 2), 9, 11),
        (FewPixelsConvTranspose2d(32, 16, 3, 2, 0), 4, 5),
    ]


@pytest.mark.parametrize("kind", [0, 1])
def test_few_pixels_alone_are_a_product(kind):
    layer, few, more = both_layers()[kind]
    assert 4**2 <= MOST_PIXELS < 5**2
    names = [type(layer(torch.randn(1, 32, n, n)).grad_fn).__name__ for n in (few, more)]
    assert names == ["_ConvolutionBackward", "ConvolutionBackward0"]


@pytest.mark.parametrize("kind", [0, 1])
def test_convolutions_in_bf16_are_torch_s(kind):
    layer, side, _ = both_layers()[kind]
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(torch.randn(8, 32, side, side))
    assert output.dtype == torch.bfloat16
    assert type(output.grad_fn).__name__ == "ConvolutionBackward0"


def test_exported_programs_keep_the_convolutions():
    network = nn.Sequential(FewPixelsConv2d(4, 4, 3, 2), FewPixelsConvTranspose2d(4, 4, 3, 2, 0))
    program = torch.export.export(network, (torch.randn(2, 4, 5, 5),))
    assert {"conv2d", "conv_transpose2d"} <= set(str(program.graph).replace(".", " ").split())
