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


def test_products_in_bf16_are_summed_in_single_precision():
    torch.manual_seed(0)
    conv = ThinConvTranspose2d(64, 1, 3)
    images = torch.randn(2, 64, 9, 9, requires_grad=True)
    exact = conv(images)
    with torch.autocast("cpu", torch.bfloat16):
        found = conv(images)
    assert found.dtype == torch.float32
    scale = exact.abs().max()
    assert 0 < (found - exact).abs().max() < 0.01 * scale
    of_exact, of_found = (torch.autograd.grad(o.square().sum(), images)[0] for o in (exact, found))
    assert (of_found - of_exact).abs().max() < 0.02 * of_exact.abs().max()


def test_exported_programs_keep_the_convolution():
    program = torch.export.export(ThinConvTranspose2d(4, 1, 3), (torch.randn(2, 4, 5, 5),))
    assert "conv_transpose2d" in str(program.graph)
