"""Rounding that looks at the error it leaves: what a weight loses, those after it make up for.

Within each output of a layer weights are rounded one by one, and those not yet rounded move so
that the layer's output over the calibration images changes least (GPTQ, Frantar et al. 2023; the
optimal brain surgeon of Hassibi and Stork 1993, for all outputs in the same order).
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from diffusion.compress.calibration import Calibration
from diffusion.compress.matrices import (
    MATRIX_LAYERS,
    input_rows,
    set_weight_matrix,
    weight_matrix,
)
from diffusion.compress.uniform import Steps, check_rounded, round_weights
from diffusion.recipe import Recipe

# Of the mean square of the inputs, added to each. Less makes weights grow that cost more bytes
# than their accuracy is worth; more is plain rounding.
DAMPING = 0.1
BLOCK_COLUMNS = 64
MOST_INPUTS = 2_500  # Of a layer: the work grows with the cube. Others are rounded plainly.
ROWS_AN_INPUT = 16  # So many rows of inputs for each input tell how the inputs go together.
FEWEST_IMAGES = 32

Note = Callable[[str, nn.Module, Tensor], None]


def round_with_errors(
    network: nn.Module,
    recipe: Recipe,
    steps: Steps,
    images: Tensor,
    labels: Tensor,
) -> None:
    """Round weights to multiples of their steps, in place; what is 0 stays so.

    Args:
        network: float32, pruned already, on the device to run on; the rounding itself is done on
            the CPU.
        recipe: of the network.
        steps: by the names of the weights; embeddings among them are rounded to the nearest.
        images: [N, C, H, W] uint8 training images.
        labels: [N] int64.

    Raises:
        InvalidRecipe: the steps are so large that all weights become 0.
    """
    calibration = Calibration.of(recipe, network, images, labels)
    layers = {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, MATRIX_LAYERS) and f"{name}.weight" in steps
    }
    moments = _input_moments(network, layers, calibration)
    rounded = {
        name: _round_layer(layers[name], steps[f"{name}.weight"], moment)
        for name, moment in moments.items()
    }
    round_weights(network, steps)
    for name, matrix in rounded.items():
        set_weight_matrix(layers[name], matrix)
    check_rounded(network.state_dict(), steps, recipe.compression.quantization_step)


def _input_moments(
    network: nn.Module, layers: Mapping[str, nn.Module], calibration: Calibration
) -> dict[str, Tensor]:
    """Return E[x x^T] of each layer's inputs x, [groups, inputs, inputs] on the CPU."""
    moments: dict[str, Tensor] = {}

    def note(name: str, layer: nn.Module, inputs: Tensor) -> None:
        columns = weight_matrix(layer).shape[2]
        if columns > MOST_INPUTS:
            return
        positions = input_rows(layer, inputs[:1].float()).shape[1]
        num_images = max(math.ceil(ROWS_AN_INPUT * columns / positions), FEWEST_IMAGES)
        rows = input_rows(layer, inputs[:num_images].float())
        moments[name] = (rows.mT @ rows / rows.shape[1]).cpu()

    with _watching(layers, note):
        calibration.denoise(network)
    return moments


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


def _round_layer(layer: nn.Module, step: float, moments: Tensor) -> Tensor:
    """Return a layer's weight matrix, rounded group by group."""
    groups = zip(weight_matrix(layer).cpu(), moments, strict=True)
    return torch.stack([_round_matrix(matrix, step, moment) for matrix, moment in groups])


def _round_matrix(matrix: Tensor, step: float, moment: Tensor) -> Tensor:
    """Round [outputs, inputs] weights column by column, those of the strongest inputs first."""
    order = moment.diagonal().argsort(descending=True, stable=True)
    weights = matrix[:, order].double().T.contiguous()  # an input's weights side by side
    pruned = (weights == 0).numpy()
    spread = _error_spread(moment[order][:, order].double())
    rounded = torch.zeros_like(weights)
    for start in range(0, len(weights), BLOCK_COLUMNS):
        block = slice(start, min(start + BLOCK_COLUMNS, len(weights)))
        errors = _round_block(
            weights[block].numpy(),
            pruned[block],
            step,
            spread[block, block].numpy(),
            rounded[block].numpy(),
        )
        weights[block.stop :] -= spread[block, block.stop :].T @ torch.from_numpy(errors)
    return rounded.T[:, order.argsort()].float()


def _round_block(
    weights: np.ndarray, pruned: np.ndarray, step: float, spread: np.ndarray, rounded: np.ndarray
) -> np.ndarray:
    """Round [inputs, outputs] weights row by row into `rounded`; moves those ahead.

    In NumPy, whose operations on a few numbers take a quarter of torch's time.

    Returns:
        The error of each, [inputs, outputs], as it spreads.
    """
    errors = np.empty_like(weights)
    for row, values in enumerate(weights):
        np.multiply(np.rint(values / step), step, out=rounded[row])
        rounded[row][pruned[row]] = 0
        np.divide(values - rounded[row], spread[row, row], out=errors[row])
        weights[row:] -= spread[row, row:, None] * errors[row]
    return errors


def _error_spread(moment: Tensor) -> Tensor:
    """Return the upper Cholesky factor of the inverse moments: how an error spreads onwards."""
    diagonal = moment.diagonal()
    damped = moment + torch.diag(torch.full_like(diagonal, DAMPING * float(diagonal.mean())))
    if not bool(diagonal.any()):  # inputs that are always 0: nothing to make up for
        return torch.eye(len(moment), dtype=moment.dtype)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    return torch.linalg.cholesky(inverse, upper=True)
