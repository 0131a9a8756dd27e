"""Convolutions from or to few pixels, whose gradient of the weights is a matrix product.

A CPU's kernel for that gradient is made for many pixels: between 5 x 5 pixels of 128 channels and
2 x 2 of 256 (batch 32, one thread, avx512) it takes 2.0 ms, or 3.7 beside the images' gradient,
where the product takes 0.8.
"""

from typing import Any

import torch
from torch import Tensor, nn

from diffusion.networks.on_cpu import as_multiplied, is_on_cpu

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
        if height * width > MOST_PIXELS or self.groups > 1 or not is_on_cpu(images):
            return super().forward(images)
        images, weight = as_multiplied(images, self.weight)
        found: Tensor = _Convolution.apply(images, weight, self.stride, NO_PADDING, False)
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
        few = images.shape[2] * images.shape[3] <= MOST_PIXELS
        if not few or self.groups > 1 or not is_on_cpu(images):
            return super().forward(images, output_size)
        images, weight = as_multiplied(images, self.weight)
        found: Tensor = _Convolution.apply(images, weight, self.stride, self.output_padding, True)
        return found


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
        ctx.how = stride, NO_PADDING, NO_DILATION, transposed, output_padding, 1
        return torch.convolution(images, weight, None, *ctx.how)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        stride, *_, transposed, _, _ = ctx.how
        of_images = None
        if ctx.needs_input_grad[0]:
            which = [True, False, False]
            of_images = torch.ops.aten.convolution_backward(
                grad, images, weight, None, *ctx.how, which
            )[0]
        small, large = (images, grad) if transposed else (grad, images)
        # Under the kernel of each small pixel the large ones, channels last: a view to copy.
        windows = large.permute(0, 2, 3, 1)
        for axis, (size, step) in enumerate(zip(weight.shape[2:], stride, strict=True), start=1):
            windows = windows.unfold(axis, size, step)
        windows = windows.permute(0, 1, 2, 4, 5, 3)
        pixels = small.permute(0, 2, 3, 1).flatten(0, 2)
        product = pixels.t() @ windows.reshape(len(pixels), -1)
        of_weight = product.view(len(weight), *weight.shape[2:], -1).permute(0, 3, 1, 2)
        return of_images, of_weight, None, None, None
