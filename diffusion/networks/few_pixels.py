"""Convolutions from or to few pixels, whose gradient of the weights is a matrix product.

A CPU's kernel for that gradient is made for many pixels: between 5 x 5 pixels of 128 channels and
2 x 2 of 256 (batch 32, one thread, avx512) it takes 2.0 ms, or 3.7 beside the images' gradient,
where the product takes 0.8.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from diffusion.networks.on_cpu import is_quicker_by_products

MOST_PIXELS = 16  # of the smaller images
NO_PADDING, NO_DILATION = (0, 0), (1, 1)


class FewPixelsConv2d(nn.Conv2d):
    """A convolution without padding and bias that may lead to few pixels."""

    def __init__(
        self, channels: int, out_channels: int, size: int, stride: int, groups: int = 1
    ) -> None:
        super().__init__(channels, out_channels, size, stride, groups=groups, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, O, (H - K) // stride + 1, (W - K) // stride + 1]."""
        pairs = zip(images.shape[2:], self.kernel_size, self.stride, strict=True)
        height, width = ((length - size) // stride + 1 for length, size, stride in pairs)
        if not _is_product_quicker(self, images, height * width):
            return super().forward(images)
        found: Tensor = _Convolution.apply(images, self.weight, self.stride, NO_PADDING, False)
        return found


class FewPixelsConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution without padding and bias that may come from few pixels."""

    def __init__(
        self,
        channels: int,
        out_channels: int,
        size: int,
        stride: int,
        output_padding: int,
        groups: int = 1,
    ) -> None:
        super().__init__(
            *(channels, out_channels, size, stride),
            output_padding=output_padding,
            groups=groups,
            bias=False,
        )

    def forward(self, images: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Map [N, C, H, W] to [N, O, (H - 1) * stride + K + output_padding, ...]."""
        own = _is_product_quicker(self, images, images.shape[2] * images.shape[3])
        if not own or output_size is not None:
            return super().forward(images, output_size)
        how = self.stride, self.output_padding, True
        found: Tensor = _Convolution.apply(images, self.weight, *how)
        return found


def _is_product_quicker(
    layer: nn.Conv2d | nn.ConvTranspose2d, images: Tensor, num_pixels: int
) -> bool:
    return num_pixels <= MOST_PIXELS and layer.groups == 1 and is_quicker_by_products(images)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        weight: Tensor,
        stride: tuple[int, int],
        output_padding: tuple[int, int],
        transposed: bool,
    ) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.stride, ctx.transposed = stride, transposed
        ctx.how = stride, NO_PADDING, NO_DILATION, transposed, output_padding, 1
        return torch.convolution(images, weight, None, *ctx.how)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        of_images_alone = [True, False, False]
        of_images, *_ = torch.ops.aten.convolution_backward(
            grad, images, weight, None, *ctx.how, of_images_alone
        )
        small, large = (images, grad) if ctx.transposed else (grad, images)
        # Under the kernel of each small pixel the large ones, channels last: a view to copy.
        windows = large.permute(0, 2, 3, 1)
        sizes = weight.shape[2:]
        for axis, (size, step) in enumerate(zip(sizes, ctx.stride, strict=True), start=1):
            windows = windows.unfold(axis, size, step)
        windows = windows.permute(0, 1, 2, 4, 5, 3)
        pixels = small.permute(0, 2, 3, 1).flatten(0, 2)
        product = pixels.t() @ windows.reshape(len(pixels), -1)
        of_weight = product.view(len(weight), *sizes, -1).permute(0, 3, 1, 2)
        return of_images, of_weight, None, None, None
