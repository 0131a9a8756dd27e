"""Group norms with what stands beside them, in one step where a processor is slow at the parts.

torch's own group norm over channels last handles a group's channels one at a time on a CPU: with
3 channels a group it takes six times what the sums and products below take together.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from diffusion.networks.on_cpu import has_own_ways


def norm_silu(
    images: Tensor,
    norm: nn.GroupNorm,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
    offset: Tensor | None = None,
) -> Tensor:
    """Return silu(norm(images + offset) * (1 + scale) + shift).

    Args:
        images: [N, C, H, W].
        norm: its groups, weight and bias count.
        scale: [N, C]; without it and `shift` the norm stays as it is.
        shift: [N, C].
        offset: [N, C]; none is 0.

    Returns:
        [N, C, H, W]; on a CPU in float32 also where the images are in bf16.
    """
    if has_own_ways(images):
        affine = _affine(norm, scale, shift)
        return _NormSilu.apply(images, *affine, offset, norm.num_groups, norm.eps)
    if offset is not None:
        images = images + offset[:, :, None, None]
    normed = norm(images)
    if scale is not None and shift is not None:
        normed = normed * (1 + scale[:, :, None, None]) + shift[:, :, None, None]
    return F.silu(normed)


def at_least_single(values: Tensor) -> Tensor:
    """Return bf16 values in float32, and others as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _affine(
    norm: nn.GroupNorm, scale: Tensor | None, shift: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return what multiplies and what is added to the normed channels, [1 or N, C]."""
    if scale is None or shift is None:
        return norm.weight[None], norm.bias[None]
    return norm.weight * (1 + scale), torch.addcmul(shift, norm.bias, 1 + scale)


class _NormSilu(torch.autograd.Function):
    """silu(weight * x_hat + bias), x_hat the images with their offset, normed by group.

    A channel's offset e is never added to its P pixels, only to their sum s and the sum q of their
    squares, which become s + P e and q + e (2 s + P e).
    """

    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        weight: Tensor,
        bias: Tensor,
        offset: Tensor | None,
        num_groups: int,
        eps: float,
    ) -> Tensor:
        pixels = _pixels(images)
        added = None if offset is None else at_least_single(offset)
        sums = pixel_sums = pixels.sum(1)
        squares = (pixels * pixels).sum(1)
        if added is not None:
            sums = torch.add(pixel_sums, added, alpha=pixels.shape[1])
            squares = torch.addcmul(squares, added, pixel_sums + sums)
        count = pixels.shape[1] * images.shape[1] // num_groups
        both = torch.stack([sums, squares]).unflatten(2, (num_groups, -1))
        mean, square = (both.sum(3, keepdim=True) / count).unbind()
        inverse = torch.addcmul(square, mean, mean, value=-1).clamp_(min=0).add_(eps).rsqrt_()
        factor = weight.view(len(weight), num_groups, -1) * inverse
        term = torch.addcmul(bias.view(len(bias), num_groups, -1), mean, factor, value=-1)
        factor, term = factor.flatten(1), _plus_product(added, term.flatten(1), factor.flatten(1))
        affine = torch.addcmul(term[:, None], pixels, factor[:, None])
        ctx.save_for_backward(pixels, affine, factor, mean, inverse, weight, added, pixel_sums)
        ctx.num_groups, ctx.dtype = num_groups, images.dtype
        return _images(F.silu(affine), images)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        pixels, affine, factor, mean, inverse, weight, added, pixel_sums = ctx.saved_tensors
        outer = torch.ops.aten.silu_backward(_pixels(grad), affine)
        # Sums over an image's pixels of the gradient, and of it times x_hat.
        of_bias = outer.sum(1)
        of_product = _plus_product(added, (outer * pixels).sum(1), of_bias)
        of_bias, of_product = (
            of.unflatten(1, (ctx.num_groups, -1)) for of in (of_bias, of_product)
        )
        of_weight = torch.addcmul(of_product, mean, of_bias, value=-1) * inverse
        # d/dx = inverse * (w g - mean(w g) - x_hat * mean(w g x_hat)), the means by group.
        count = pixels.shape[1] * of_bias.shape[2]
        scaled = weight.view(len(weight), ctx.num_groups, -1) * (inverse / -count)
        by_group = (scaled * of_bias).sum(2, keepdim=True)
        slope = (scaled * of_weight).sum(2, keepdim=True) * inverse
        term = torch.addcmul(by_group, slope, mean, value=-1)
        spread = torch.stack([term, slope]).expand(-1, -1, -1, of_bias.shape[2]).flatten(2)
        term, slope = spread.unbind()
        of_weight, of_bias = of_weight.flatten(1), of_bias.flatten(1)
        of_offset = None
        if added is not None:
            term = _plus_product(added, term, slope)
            of_offset = torch.addcmul(pixels.shape[1] * term, slope, pixel_sums)
            of_offset = of_offset.addcmul_(factor, of_bias)
        inner = torch.addcmul(term[:, None], pixels, slope[:, None])
        inner = inner.addcmul_(outer, factor[:, None])
        sums = [of.sum_to_size(weight.shape) for of in (of_weight, of_bias)]
        return _images(inner, grad).to(ctx.dtype), *sums, of_offset, None, None


def _plus_product(added: Tensor | None, term: Tensor, slope: Tensor) -> Tensor:
    """Return term + added * slope, [N, C] each."""
    return term if added is None else torch.addcmul(term, added, slope)


def _pixels(images: Tensor) -> Tensor:
    """View [N, C, H, W] as [N, H * W, C], or copy it where channels are not last; no halves."""
    return at_least_single(images.permute(0, 2, 3, 1).flatten(1, 2))


def _images(pixels: Tensor, like: Tensor) -> Tensor:
    """View [N, H * W, C] as images of the shape of others."""
    return pixels.unflatten(1, like.shape[2:]).permute(0, 3, 1, 2)
