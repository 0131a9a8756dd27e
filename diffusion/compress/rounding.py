"""Rounding that looks at the error it leaves: what a weight loses, those after it make up for.

Within each output of a layer weights are rounded one by one, and those not yet rounded move so
that the layer's output over the calibration images changes least (GPTQ, Frantar et al. 2023; the
optimal brain surgeon of Hassibi and Stork 1993, for all outputs in the same order).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from diffusion.compress.matrices import set_weight_matrix, weight_matrix
from diffusion.compress.spreads import Spread, measure_spreads
from diffusion.compress.uniform import Steps, check_rounded, round_weights
from diffusion.recipe import Recipe

BLOCK_COLUMNS = 64


def round_with_errors(
    network: nn.Module,
    recipe: Recipe,
    steps: Steps,
    images: Tensor,
    labels: Tensor,
) -> None:
    """Round weights to multiples of their steps, in place; what is 0 stays so.

    Args:
        network: float32, on the device to run on; the rounding itself is done on the CPU.
        recipe: of the network.
        steps: by the names of the weights; embeddings among them are rounded to the nearest.
        images: [N, C, H, W] uint8 training images.
        labels: [N] int64.

    Raises:
        InvalidRecipe: the steps are so large that all weights become 0.
    """
    spreads = measure_spreads(network, recipe, images, labels)
    round_by(spreads, network, steps, recipe.compression.quantization_step)


def round_by(
    spreads: Mapping[str, Sequence[Spread]],
    network: nn.Module,
    steps: Steps,
    quantization_step: float,
) -> None:
    """Round weights to multiples of their steps, in place; what is 0 stays so.

    Args:
        spreads: of the network, or of what it was before it was pruned; layers without one are
            rounded to the nearest.
        network: float32.
        steps: by the names of the weights.
        quantization_step: of the recipe, for the message.

    Raises:
        InvalidRecipe: the steps are so large that all weights become 0.
    """
    rounded = {
        name: _round_layer(network.get_submodule(name), steps[f"{name}.weight"], groups)
        for name, groups in spreads.items()
        if f"{name}.weight" in steps
    }
    round_weights(network, steps)
    for name, matrix in rounded.items():
        set_weight_matrix(network.get_submodule(name), matrix)
    check_rounded(network.state_dict(), steps, quantization_step)


def _round_layer(layer: nn.Module, step: float, spreads: Sequence[Spread]) -> Tensor:
    """Return a layer's weight matrix, rounded group by group."""
    groups = zip(weight_matrix(layer).cpu(), spreads, strict=True)
    return torch.stack([_round_matrix(matrix, step, spread) for matrix, spread in groups])


def _round_matrix(matrix: Tensor, step: float, spread: Spread) -> Tensor:
    """Round [outputs, inputs] weights column by column, those of the strongest inputs first."""
    factor = spread.factor
    weights = matrix[:, spread.order].double().T.contiguous()  # an input's weights side by side
    pruned = (weights == 0).numpy()
    rounded = torch.zeros_like(weights)
    for start in range(0, len(weights), BLOCK_COLUMNS):
        block = slice(start, min(start + BLOCK_COLUMNS, len(weights)))
        errors = _round_block(
            weights[block].numpy(),
            pruned[block],
            step,
            factor[block, block].numpy(),
            rounded[block].numpy(),
        )
        weights[block.stop :] -= factor[block, block.stop :].T @ torch.from_numpy(errors)
    return rounded.T[:, spread.order.argsort()].float()


def _round_block(
    weights: np.ndarray, pruned: np.ndarray, step: float, factor: np.ndarray, rounded: np.ndarray
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
        np.divide(values - rounded[row], factor[row, row], out=errors[row])
        weights[row:] -= factor[row, row:, None] * errors[row]
    return errors
