"""Group norms with what follows them, in one step where a processor is slow at the parts.

torch's own group norm over channels last handles a group's channels one at a time on a CPU: with
3 channels a group it takes six times what the sums and products below take together.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def norm_silu(
    images: Tensor, norm: nn.GroupNorm, scale: Tensor | None = None, shift: Tensor | None = None
) -> Tensor:
    """Return silu(norm(images) * (1 + scale) + shift).

    Args:
        images: [N, C, H, W].
        norm: its groups, weight and bias count.
        scale: [N, C]; without it and `shift` the norm stays as it is.
        shift: [N, C].

    Returns:
        [N, C, H, W]; on a CPU in float32 also where the images are in bf16.
    """
    if _is_fused(images):
        return _NormSilu.apply(images, *_affine(norm, scale, shift), norm.num_groups, norm.eps)
    normed = norm(images)
    if scale is not None and shift is not None:
        normed = normed * (1 + scale[:, :, None, None]) + shift[:, :, None, None]
    return F.silu(normed)


def at_least_single(values: Tensor) -> Tensor:
    """Return bf16 values in float32, and others as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _is_fused(images: Tensor) -> bool:
    """Whether the steps below are the fast ones; exported programs keep the named ones."""
    return images.device.type == "cpu" and not torch.compiler.is_exporting()


def _affine(
    norm: nn.GroupNorm, scale: Tensor | None, shift: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return what multiplies and what is added to the normed channels, [1 or N, C]."""
    if scale is None or shift is None:
        return norm.weight[None], norm.bias[None]
    return norm.weight * (1 + scale), torch.addcmul(shift, norm.bias, 1 + scale)


class _NormSilu(torch.autograd.Function):
    """silu(weight * x_hat + bias), x_hat the images normed by group; sums are by channel."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, num_groups: int, eps: float
    ) -> Tensor:
        pixels = _pixels(images)
        channels = images.shape[1] // num_groups
        count = pixels.shape[1] * channels
        sums = torch.stack([pixels.sum(1), (pixels * pixels).sum(1)])
        mean, square = (
            sums.view(2, len(images), num_groups, -1).sum(3, keepdim=True) / count
        ).unbind()
        inverse = torch.addcmul(square, mean, mean, value=-1).clamp_(min=0).add_(eps).rsqrt_()
        factor = weight.view(len(weight), num_groups, -1) * inverse
        term = torch.addcmul(bias.view(len(bias), num_groups, -1), mean, factor, value=-1)
        factor = factor.flatten(1)[:, None]
        affine = torch.addcmul(term.flatten(1)[:, None], pixels, factor)
        ctx.save_for_backward(pixels, affine, factor, mean, inverse, weight)
        ctx.num_groups, ctx.dtype = num_groups, images.dtype
        return _images(F.silu(affine), images)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        pixels, affine, factor, mean, inverse, weight = ctx.saved_tensors
        outer = torch.ops.aten.silu_backward(_pixels(grad), affine)
        grouped = (len(grad), ctx.num_groups, -1)
        # Sums over an image's pixels of the gradient, and of it times x_hat.
        of_bias = outer.sum(1).view(grouped)
        of_product = (outer * pixels).sum(1).view(grouped)
        of_weight = torch.addcmul(of_product, mean, of_bias, value=-1) * inverse
        # d/dx = inverse * (w g - mean(w g) - x_hat * mean(w g x_hat)), the means by group.
        count = pixels.shape[1] * of_bias.shape[2]
        scaled = weight.view(len(weight), ctx.num_groups, -1) * (inverse / -count)
        by_group = (scaled * of_bias).sum(2, keepdim=True)
        by_pixel = (scaled * of_weight).sum(2, keepdim=True) * inverse
        by_group = torch.addcmul(by_group, by_pixel, mean, value=-1)
        spread = torch.stack([by_group, by_pixel]).expand(-1, -1, -1, of_bias.shape[2]).flatten(2)
        term, slope = spread[:, :, None].unbind()
        inner = torch.addcmul(term, pixels, slope).addcmul_(outer, factor)
        sums = [of.flatten(1).sum_to_size(weight.shape) for of in (of_weight, of_bias)]
        return _images(inner, grad).to(ctx.dtype), *sums, None, None


def _pixels(images: Tensor) -> Tensor:
    """View [N, C, H, W] as [N, H * W, C], or copy it where channels are not last; no halves."""
    return at_least_single(images.permute(0, 2, 3, 1).flatten(1, 2))


def _images(pixels: Tensor, like: Tensor) -> Tensor:
    """View [N, H * W, C] as images of the shape of others."""
    return pixels.unflatten(1, like.shape[2:]).permute(0, 3, 1, 2)
