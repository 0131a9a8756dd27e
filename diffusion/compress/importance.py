"""How much each channel of a stream matters: by its weights, or by what the denoiser would lose.

The second is the first-order change of the denoising loss if all weights of a channel became 0,
its size summed over noise levels (Fang et al. 2023, with the levels weighted alike).
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from diffusion.compress.calibration import PRECISION, Calibration
from diffusion.networks.coupling import Convolution, Norm, Stream, Table
from diffusion.process import build_denoiser
from diffusion.recipe import Recipe

NUM_LEVELS = 16  # Of the calibration's images, in the order of their noise: eight a level.

Sums = dict[Stream, Tensor]


@torch.no_grad()
def l1_importances(table: Table) -> Sums:
    """Return the sum of the magnitudes of all weights that write or read a channel."""
    return _channel_sums(table, torch.abs)


def loss_importances(
    table: Table, network: nn.Module, recipe: Recipe, images: Tensor, labels: Tensor
) -> Sums:
    """Return how much the denoising loss would change without a channel, to first order.

    Args:
        table: of the network.
        network: float32, on the device to run on.
        recipe: of the network.
        images: [N, C, H, W] uint8 training images.
        labels: [N] int64.
    """
    batch = Calibration.of(recipe, network, images, labels)
    denoiser = build_denoiser(network, recipe, PRECISION).eval()
    total: Sums = {}
    for level in batch.sigma.argsort().chunk(NUM_LEVELS):
        denoise = partial(denoiser, batch.noisy[level], batch.sigma[level], batch.labels[level])
        sums = _loss_changes(table, denoise, batch.clean[level], batch.weight[level])
        total = {stream: total.get(stream, 0) + change.abs() for stream, change in sums.items()}
    return total


def _loss_changes(
    table: Table, denoise: Callable[[], Tensor], clean: Tensor, weight: Tensor
) -> Sums:
    """Return the sum of each channel's weights times the gradient of the denoising loss."""
    weights = [c.layer.weight for c in table if not isinstance(c.layer, Norm)]
    with torch.enable_grad():
        loss = (weight * (denoise() - clean).square()).mean()
        gradients = dict(zip(weights, torch.autograd.grad(loss, weights), strict=True))
    with torch.no_grad():
        return _channel_sums(table, lambda weight: weight * gradients[weight])


def _channel_sums(table: Table, of_weight: Callable[[Tensor], Tensor]) -> Sums:
    """Sum over all weights of a channel, on both sides of it, what is made of each weight."""
    sums: Sums = {}
    for coupled in table:
        layer = coupled.layer
        if isinstance(layer, Norm):
            continue
        groups = layer.groups if isinstance(layer, Convolution) else 1
        rows, columns = layer.weight.shape[0] // groups, layer.weight.shape[1]
        values = of_weight(layer.weight).reshape(groups, rows, columns, -1)
        sides = values.sum((2, 3)).flatten(), values.sum((1, 3)).flatten()
        if isinstance(layer, nn.ConvTranspose2d):
            sides = sides[::-1]
        for axis, side in zip((coupled.outputs, coupled.inputs), sides, strict=True):
            parts = side.split([s.channels for s in axis]) if axis else ()
            for stream, part in zip(axis, parts, strict=True):
                sums[stream] = sums.get(stream, 0) + part
    return sums
