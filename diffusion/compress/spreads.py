"""How rounding errors spread: what those weights make up for that are rounded after a weight.

It follows from how the inputs of a layer go together over the calibration images.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from diffusion.compress.calibration import Calibration
from diffusion.compress.matrices import MATRIX_LAYERS, input_rows, weight_matrix
from diffusion.recipe import Recipe

# Of the mean square of the inputs, added to each. Less makes weights grow that cost more bytes
# than their accuracy is worth; more is plain rounding.
DAMPING = 0.1
MOST_INPUTS = 2_500  # Of a layer: the work grows with the cube. Others are rounded plainly.
ROWS_AN_INPUT = 16  # So many rows of inputs for each input tell how the inputs go together.
FEWEST_IMAGES = 32

Note = Callable[[str, nn.Module, Tensor], None]


@dataclass(frozen=True)
class Spread:
    """How the error of each of a matrix's columns spreads over those that come after it.

    Attributes:
        order: [inputs] int64, the columns in the order in which they are rounded.
        factor: [inputs, inputs] float64 in that order, upper triangular.
    """

    order: Tensor
    factor: Tensor

    @classmethod
    def of(cls, moment: Tensor) -> Self:
        """Factor the moments E[x x^T] of a matrix's inputs x; the strongest of them come first."""
        order = moment.diagonal().argsort(descending=True, stable=True)
        return cls(order, _error_spread(moment[order][:, order].double()))


def measure_spreads(
    network: nn.Module, recipe: Recipe, images: Tensor, labels: Tensor
) -> dict[str, list[Spread]]:
    """Return for each layer that multiplies rows, group by group, how its errors spread.

    Args:
        network: float32, on the device to run on.
        recipe: of the network.
        images: [N, C, H, W] uint8 training images.
        labels: [N] int64.
    """
    calibration = Calibration.of(recipe, network, images, labels)
    layers = {n: layer for n, layer in network.named_modules() if isinstance(layer, MATRIX_LAYERS)}
    spreads: dict[str, list[Spread]] = {}

    def note(name: str, layer: nn.Module, inputs: Tensor) -> None:
        if weight_matrix(layer).shape[2] <= MOST_INPUTS:
            spreads[name] = [Spread.of(moment) for moment in _input_moments(layer, inputs)]

    with _watching(layers, note):
        calibration.denoise(network)
    return spreads


def _input_moments(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Return E[x x^T] of a layer's inputs x, [groups, inputs, inputs] on the CPU."""
    columns = weight_matrix(layer).shape[2]
    positions = input_rows(layer, inputs[:1].float()).shape[1]
    num_images = max(math.ceil(ROWS_AN_INPUT * columns / positions), FEWEST_IMAGES)
    rows = input_rows(layer, inputs[:num_images].float())
    return (rows.mT @ rows / rows.shape[1]).cpu()


@contextmanager
def _watching(layers: Mapping[str, nn.Module], note: Note) -> Iterator[None]:
    """Tell `note` of the inputs of each layer that runs meanwhile."""

    def hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda layer, inputs: note(name, layer, inputs[0])

    handles = [layer.register_forward_pre_hook(hook(name)) for name, layer in layers.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _error_spread(moment: Tensor) -> Tensor:
    """Return the upper Cholesky factor of the inverse moments: how an error spreads onwards."""
    diagonal = moment.diagonal()
    damped = moment + torch.diag(torch.full_like(diagonal, DAMPING * float(diagonal.mean())))
    if not bool(diagonal.any()):  # inputs that are always 0: nothing to make up for
        return torch.eye(len(moment), dtype=moment.dtype)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    return torch.linalg.cholesky(inverse, upper=True)
