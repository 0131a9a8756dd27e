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
# Images that each tensor is tried on: 16 and 128 gave drifts within 12 % of each other at equal
# bytes, one way or the other, and there is a pass for every tensor.
NUM_PROBED = 32
PROBE_STEP = 1.0  # In standard deviations: what each tensor is tried with.
ROUNDS = 30  # Of clipping and scaling: each of them moves the mean a little less.


def allot_steps(
    network: nn.Module, recipe: Recipe, images: Tensor, labels: Tensor
) -> dict[str, float]:
    """Return the step that each weight is to be rounded by, for `uniform` quantization.

    Args:
        network: float32, on the device to run on; comes back as it was.
        recipe: its compression says how coarse the steps are on the mean.
        images: [N, C, H, W] uint8 training images.
        labels: [N] int64.
    """
    sensitivities = measure_sensitivities(network, recipe, images, labels)
    return steps_by(sensitivities, network, recipe.compression.quantization_step)


@torch.no_grad()
def measure_sensitivities(
    network: nn.Module, recipe: Recipe, images: Tensor, labels: Tensor
) -> dict[str, float]:
    """Return the drift over the squared step of each tensor, rounded alone: one pass for each.

    Args:
        network: float32, on the device to run on; comes back as it was.
        recipe: of the network.
        images: [N, C, H, W] uint8 training images.
        labels: [N] int64.
    """
    calibration = Calibration.of(recipe, network, images, labels, num_images=NUM_PROBED)
    original = calibration.denoise(network)
    found: dict[str, float] = {}
    for name, step in relative_steps(network, PROBE_STEP).items():
        weight = network.get_parameter(name)
        kept = weight.clone()
        weight.copy_(round_values(weight, step))
        found[name] = max(calibration.drift(network, original) / step**2, LEAST_SENSITIVITY)
        weight.copy_(kept)
    return found


def steps_by(
    sensitivities: Mapping[str, float], network: nn.Module, mean_step: float
) -> dict[str, float]:
    """Return the step that each weight is to be rounded by; those that are all 0 take 1.

    Args:
        sensitivities: of the network, or of what it was before it was pruned.
        network: what will be rounded.
        mean_step: in standard deviations of each tensor.
    """
    weights = {name: network.get_parameter(name).detach() for name in sensitivities}
    deviations = {name: float(weight.std(correction=0)) for name, weight in weights.items()}
    squares = {
        name: sensitivities[name] * deviation**2
        for name, deviation in deviations.items()
        if deviation > 0
    }
    allotted = allot(squares, {name: weights[name].numel() for name in squares}, mean_step)
    steps = {name: grid_step(step * deviations[name]) for name, step in allotted.items()}
    return {name: steps.get(name, 1.0) for name in sensitivities}


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


def _geometric_mean(values: Mapping[str, float], counts: Mapping[str, int]) -> float:
    logarithms = sum(counts[name] * math.log(value) for name, value in values.items())
    return math.exp(logarithms / max(sum(counts[name] for name in values), 1))
