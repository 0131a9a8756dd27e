"""Fused norms equal torch's with what stands beside them, forward and backward."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.networks.norms import norm_silu

LAYOUTS = [torch.contiguous_format, torch.channels_last]
CASES = [(1, 8, 8, False), (3, 12, 4, True), (4, 6, 1, True), (2, 9, 3, False)]


def plain(images: Tensor, norm: nn.GroupNorm, *modulation: Tensor) -> Tensor:
    normed = norm(images)
    if modulation:
        scale, shift = (each[:, :, None, None] for each in modulation)
        normed = normed * (1 + scale) + shift
    return F.silu(normed)


def inputs(
    count: int, channels: int, groups: int, modulated: bool
) -> tuple[nn.GroupNorm, list[Tensor]]:
    """Return a norm and its images in float64, and maybe what scales and shifts them."""
    generator = torch.Generator().manual_seed(channels + groups)

    def draw(*shape: int) -> Tensor:
        drawn = torch.randn(*shape, generator=generator, dtype=torch.float64)
        return (3 + drawn).requires_grad_()

    norm = nn.GroupNorm(groups, channels)
    norm.weight, norm.bias = nn.Parameter(draw(channels)), nn.Parameter(draw(channels))
    more = [draw(count, channels), draw(count, channels)] if modulated else []
    return norm, [draw(count, channels, 5, 3), *more]


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CASES)
def test_output_and_gradients_are_those_of_the_parts(case, layout, shifted):
    norm, given = inputs(*case)
    given[0] = given[0].detach().to(memory_format=layout).requires_grad_()
    offset = (given[0].detach().mean((2, 3)) / 2 - 1).requires_grad_()
    learned = [*given, norm.weight, norm.bias]
    ours, parts = norm_silu(given[0], norm, *given[1:]), plain(given[0], norm, *given[1:])
    if shifted:
        learned.append(offset)
        ours = norm_silu(given[0], norm, *given[1:], offset=offset)
        parts = plain(given[0] + offset[:, :, None, None], norm, *given[1:])
    torch.testing.assert_close(ours, parts)
    outer = torch.randn_like(parts)
    found = torch.autograd.grad(ours, learned, outer)
    torch.testing.assert_close(found, torch.autograd.grad(parts, learned, outer))


def test_single_precision_is_exact_to_five_digits():
    norm, (images,) = inputs(3, 24, 8, False)
    expected = plain(images, norm)
    found = norm_silu(images.float(), norm.float())
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


def test_bf16_is_normed_in_single_precision():
    norm, given = inputs(3, 12, 4, True)
    norm, halves = norm.float(), [each.detach().bfloat16() for each in given]
    found = norm_silu(halves[0].requires_grad_(), norm, *(each.float() for each in halves[1:]))
    assert found.dtype == torch.float32
    expected = plain(halves[0].float(), norm, *map(Tensor.float, halves[1:]))
    torch.testing.assert_close(found, expected)
    (grad,) = torch.autograd.grad(found.sum(), halves[:1])
    assert grad.dtype == torch.bfloat16


def test_offset_of_bf16_images_keeps_its_own_precision():
    norm, given = inputs(3, 12, 4, False)
    norm, images = norm.float(), given[0].detach().bfloat16()
    offset = torch.randn(3, 12, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = norm_silu(images, norm, offset=offset)
    expected = plain(images.float() + offset[:, :, None, None], norm)
    torch.testing.assert_close(found, expected)
    outer = torch.randn_like(found)
    of_found, of_expected = (torch.autograd.grad(o, offset, outer) for o in (found, expected))
    torch.testing.assert_close(of_found, of_expected, rtol=1e-4, atol=1e-4)


def test_exported_programs_keep_the_named_norm():
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.GroupNorm(2, 4)

        def forward(self, images: Tensor) -> Tensor:
            return norm_silu(images, self.norm)

    program = torch.export.export(Network(), (torch.randn(2, 4, 3, 3),))
    assert "group_norm" in str(program.graph)
