"""Transposed convolutions to few channels equal torch's, forward and backward."""

import pytest
import torch
import torch.nn.functional as F

from diffusion.networks.thin_convolution import MOST_THIN_CHANNELS, ThinConvTranspose2d

LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [1, 3, 4])
@pytest.mark.parametrize("channels", [1, MOST_THIN_CHANNELS, MOST_THIN_CHANNELS + 1])
def test_output_and_gradients_are_those_of_the_convolution(channels, size, layout, dtype):
    torch.manual_seed(size)
    conv = ThinConvTranspose2d(6, channels, size).to(dtype, memory_format=layout)
    images = torch.randn(3, 6, 5, 7).to(dtype, memory_format=layout).requires_grad_()
    learned = [images, *conv.parameters()]
    ours = conv(images)
    plain = F.conv_transpose2d(images, conv.weight, conv.bias)
    torch.testing.assert_close(ours, plain)
    outer = torch.randn_like(plain)
    found = torch.autograd.grad(ours, learned, outer)
    torch.testing.assert_close(found, torch.autograd.grad(plain, learned, outer))


@pytest.mark.parametrize(("channels", "summed"), [(1, True), (3, True), (4, False)])
def test_few_channels_alone_are_sums_of_products(channels, summed):
    output = ThinConvTranspose2d(4, channels, 3)(torch.randn(2, 4, 5, 5))
    steps = [output.grad_fn, *(step for step, _ in output.grad_fn.next_functions if step)]
    assert any("ShiftedSums" in type(step).__name__ for step in steps) == summed


def test_convolutions_in_bf16_are_torch_s():
    with torch.autocast("cpu", torch.bfloat16):
        output = ThinConvTranspose2d(4, 1, 3)(torch.randn(2, 4, 5, 5))
    assert output.dtype == torch.bfloat16
    assert type(output.grad_fn).__name__ == "ConvolutionBackward0"


def test_exported_programs_keep_the_convolution():
    program = torch.export.export(ThinConvTranspose2d(4, 1, 3), (torch.randn(2, 4, 5, 5),))
    assert "conv_transpose2d" in str(program.graph)
