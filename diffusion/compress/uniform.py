"""Uniform quantization: weights as whole multiples of a step, one step for each tensor.

Covered are the weights of all layers that multiply: convolutions, transposed ones, linear layers,
attention and label embeddings. Biases, norms and fixed frequencies are not.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from diffusion.errors import InvalidRecipe
from diffusion.networks.layers import PackedProjection

# By the name of the weight that it rounds, as in the state dict.
Steps = Mapping[str, float]

MULTIPLYING = (nn.Linear, PackedProjection, nn.Conv2d, nn.ConvTranspose2d, nn.Embedding)
STEPS_PER_OCTAVE = 16


@dataclass(frozen=True)
class UniformTensor:
    """A tensor as whole multiples of a step.

    Attributes:
        symbols: [n] int32, in the tensor's own order.
        step: one of `grid_step`.
        shape: of the tensor with n elements.
    """

    symbols: Tensor
    step: float
    shape: tuple[int, ...]

    def dequantize(self) -> Tensor:
        """Return the float32 tensor that the symbols stand for."""
        return (self.symbols.float() * self.step).reshape(self.shape)


def covered_names(network: nn.Module) -> list[str]:
    """Name the weights that are rounded, in the network's order."""
    return [
        f"{name}.weight"
        for name, module in network.named_modules()
        if isinstance(module, MULTIPLYING)
    ]


def grid_step(step: float) -> float:
    """Return the nearest step that a package can hold, exact in float32.

    They are (16 + m) * 2^e with whole numbers m from 0 to 15 and e: about 5 % apart.
    """
    exponent = math.floor(math.log2(step))
    scale = 2.0 ** (exponent - int(math.log2(STEPS_PER_OCTAVE)))
    return float(round(step / scale) * scale)


def relative_steps(network: nn.Module, quantization_step: float) -> dict[str, float]:
    """Return steps of so many standard deviations of each weight; those that are all 0 take 1."""
    state = network.state_dict()
    steps: dict[str, float] = {}
    for name in covered_names(network):
        deviation = float(state[name].float().std(correction=0))
        steps[name] = grid_step(quantization_step * deviation) if deviation > 0 else 1.0
    return steps


def round_values(values: Tensor, step: float) -> Tensor:
    """Return the nearest multiples of a step."""
    return values.div(step).round_().mul_(step)


@torch.no_grad()
def round_weights(network: nn.Module, steps: Steps) -> None:
    """Round weights to the nearest multiples of their steps, in place."""
    for name, step in steps.items():
        weight = network.get_parameter(name)
        weight.copy_(round_values(weight, step))


def check_rounded(state: Mapping[str, Tensor], steps: Steps, quantization_step: float) -> None:
    """Refuse weights of which the rounding has left none.

    Args:
        state: rounded weights by name.
        steps: that they were rounded by.
        quantization_step: of the recipe, for the message.

    Raises:
        InvalidRecipe: all weights that have a step are 0.
    """
    if steps and not any(bool(state[name].any()) for name in steps):
        raise InvalidRecipe(
            f"compression.quantization_step is {quantization_step:g}, which rounds all weights "
            "to 0; allowed: a smaller step"
        )


def to_symbols(values: Tensor, step: float) -> UniformTensor:
    """Return a tensor as the nearest multiples of a step."""
    symbols = values.detach().cpu().float().div(step).round_().to(torch.int32)
    return UniformTensor(symbols.flatten(), step, tuple(values.shape))
