"""Rounding while training: the loss is that of rounded weights, the steps move the float ones.

The gradient passes straight through the rounding (Bengio et al. 2013).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from diffusion.compress.quantize import covered_bits, quantize
from diffusion.compress.uniform import Steps
from diffusion.recipe import Quantization


class StraightThrough:
    """The weights of a network that a quantization covers, rounded for a while."""

    def __init__(
        self, network: nn.Module, quantization: Quantization, steps: Steps | None
    ) -> None:
        """Take up the weights; they stay as they are.

        Args:
            network: holds float32 weights.
            quantization: `none` rounds nothing.
            steps: of `uniform`, by name.
        """
        if quantization == "uniform" and steps is None:
            raise ValueError("steps are None; allowed with quantization 'uniform': a mapping")
        bits = covered_bits(network, quantization)
        names = list(steps or {}) if quantization == "uniform" else list(bits)
        self._weights: list[Tensor] = [network.get_parameter(name) for name in names]
        self._steps = [float(step) for step in (steps or {}).values()]
        self._bits = [bits[name] for name in bits]
        self._round: Callable[[], None] = (
            self._round_uniform if quantization == "uniform" else self._round_to_codes
        )

    @contextmanager
    def rounded(self) -> Iterator[None]:
        """Hold the rounded weights inside; the float ones are put back after it."""
        if not self._weights:
            yield
            return
        with torch.no_grad():
            masters = torch._foreach_clone(self._weights)
            self._round()
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self._weights, masters)

    def _round_uniform(self) -> None:
        torch._foreach_div_(self._weights, self._steps)
        torch._foreach_round_(self._weights)
        torch._foreach_mul_(self._weights, self._steps)

    def _round_to_codes(self) -> None:
        for weight, bits in zip(self._weights, self._bits, strict=True):
            weight.copy_(quantize(weight, bits).dequantize())
