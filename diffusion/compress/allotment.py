"""How coarsely each tensor is rounded, so that equal bytes change the denoiser the least.

Rounding a tensor to multiples of s adds errors of variance s^2 / 12, so that the denoiser drifts
by a s^2, and halving s costs its n weights a bit each. Of all steps of one cost the drift is least
where each tensor's last bit buys the same: a s^2 / n is equal, s = (n / a)^(1/2) up to a factor
(reverse water-filling; Cover and Thomas, Elements of Information Theory, section 10.3.3). The
factor makes the geometric mean of s over all weights, in standard deviations of their tensors,
what was asked for.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from diffusion.compress.calibration import Calibration
from diffusion.compress.uniform import grid_step, relative_steps, round_values
from diffusion.recipe import Recipe

# In standard deviations: finer ones are as good as float, of coarser ones hardly a weight is left
# to learn from where all is trained through the rounding.
FINEST, COARSEST = 0.01, 4.0
LEAST_SENSITIVITY = 1e-12  # Of a tensor that the denoiser does not heed, as where it is untrained.
ROUNDS = 30  # Of clipping and scaling: each of them moves the mean a little less.


def allot_steps(
    network: nn.Module, recipe: Recipe, images: Tensor, labels: Tensor
) -> dict[str, float]:
    """Return the step that each weight is to be rounded by, for `uniform` quantization.

    Args:
        network: float32, pruned already, on the device to run on; comes back as it was.
        recipe: its compression says how coarse the steps are on the mean.
        images: [N, C, H, W] uint8 training images.
        labels: [N] int64.
    """
    calibration = Calibration.of(recipe, network, images, labels)
    probes = relative_steps(network, recipe.compression.quantization_step)
    deviations = {
        name: float(network.get_parameter(name).detach().std(correction=0)) for name in probes
    }
    heeded = {name: step for name, step in probes.items() if deviations[name] > 0}
    sensitivities = _sensitivities(network, heeded, calibration)
    squares = {name: value * deviations[name] ** 2 for name, value in sensitivities.items()}
    counts = {name: network.get_parameter(name).numel() for name in heeded}
    allotted = allot(squares, counts, recipe.compression.quantization_step)
    steps = {name: grid_step(step * deviations[name]) for name, step in allotted.items()}
    return {**probes, **steps}


def allot(
    sensitivities: Mapping[str, float], counts: Mapping[str, int], mean_step: float
) -> dict[str, float]:
    """Return the steps of least drift whose geometric mean over all weights is `mean_step`.

    Args:
        sensitivities: drift of each tensor over its squared step.
        counts: weights of each tensor.
        mean_step: as the steps, in standard deviations of each tensor.
    """
    best = {name: math.sqrt(counts[name] / value) for name, value in sensitivities.items()}
    finest, coarsest = min(FINEST, mean_step), max(COARSEST, mean_step)
    factor, steps = 1.0, best
    for _ in range(ROUNDS):
        factor *= mean_step / _geometric_mean(steps, counts)
        steps = {name: min(max(factor * step, finest), coarsest) for name, step in best.items()}
    return steps


@torch.no_grad()
def _sensitivities(
    network: nn.Module, probes: Mapping[str, float], calibration: Calibration
) -> dict[str, float]:
    """Return the drift over the squared step of each tensor, rounded alone: one pass for each."""
    original = calibration.denoise(network)
    found: dict[str, float] = {}
    for name, step in probes.items():
        weight = network.get_parameter(name)
        kept = weight.clone()
        weight.copy_(round_values(weight, step))
        found[name] = max(calibration.drift(network, original) / step**2, LEAST_SENSITIVITY)
        weight.copy_(kept)
    return found


def _geometric_mean(values: Mapping[str, float], counts: Mapping[str, int]) -> float:
    logarithms = sum(counts[name] * math.log(value) for name, value in values.items())
    return math.exp(logarithms / max(sum(counts[name] for name in values), 1))
