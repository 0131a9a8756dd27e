"""Linear layers that are quantized while they are trained, by bitsandbytes.

Convolutions stay as they are: there are no such layers for them. What leaves a training is float
again: averages are taken of float weights, and quantization for the file comes after them.

A training loop that does otherwise may draw good images with the network that it trains, and
ruined ones with a running average of it. Packed 4-bit codes have no average. An 8-bit layer
computes with codes that it keeps beside its float weight, and makes them anew only in training
and only while the weight has no gradient: where gradients are cleared after the loss, as is
common, the codes stay those of the first step, the float weight drifts unused, and the average is
one of weights that no image was ever drawn with. So gradients are cleared before the loss here.
"""

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.recipe import TrainingQuantization

QUANT_TYPE = "nf4"


class StraightThroughLinear4bit(nn.Linear):
    """A linear layer that computes with its weight rounded to 4 bits, and learns as if not."""

    def forward(self, features: Tensor) -> Tensor:
        """Map [..., in] features to [..., out], with the weight rounded to 4 bits."""
        # Straight-through estimator (Bengio et al. 2013): the rounding has gradient 1.
        rounding = _round_to_4bit(self.weight.detach()) - self.weight.detach()
        return F.linear(features, self.weight + rounding, self.bias)


def quantize_linears(network: nn.Module, quantization: TrainingQuantization) -> None:
    """Replace a network's linear layers, in place, by ones that train quantized.

    Args:
        network: holds float32 weights, which are taken over; still on the CPU.
        quantization: `linear8` computes in 8 bits on float weights; `linear4_frozen` keeps packed
            4-bit weights, which get no gradient, so that only the biases learn;
            `linear4_straight_through` keeps float weights and computes with their 4-bit values.
    """
    if quantization == "none":
        return
    for module in list(network.modules()):
        for name, layer in list(module.named_children()):
            if type(layer) is nn.Linear:
                setattr(module, name, _quantized(layer, quantization))


def float_state(network: nn.Module) -> dict[str, Tensor]:
    """Return a network's state as floats under the names of its unquantized twin."""
    state: dict[str, Tensor] = {}
    for prefix, module in network.named_modules():
        own = {
            **dict(module.named_parameters(recurse=False)),
            **dict(module.named_buffers(recurse=False)),
        }
        for name, value in own.items():
            is_packed = hasattr(value, "quant_state")
            state[f"{prefix}.{name}".lstrip(".")] = _unpack(value) if is_packed else value.detach()
    return state


def _quantized(layer: nn.Linear, quantization: TrainingQuantization) -> nn.Module:
    import bitsandbytes.nn as bnb  # slow to import: only where it is used

    has_bias = layer.bias is not None
    if quantization == "linear8":
        twin: nn.Linear = _linear8_class()(layer.in_features, layer.out_features, has_bias)
        twin.weight.data.copy_(layer.weight.data)
    elif quantization == "linear4_straight_through":
        twin = StraightThroughLinear4bit(layer.in_features, layer.out_features, has_bias)
        twin.weight = layer.weight
    else:
        twin = bnb.Linear4bit(
            layer.in_features,
            layer.out_features,
            has_bias,
            compute_dtype=torch.float32,
            quant_type=QUANT_TYPE,
        )
        # Else evaluating on some CPUs rearranges the codes, which then cannot be unpacked here.
        twin.support_avx512bf16_for_cpu = False
        twin.weight = bnb.Params4bit(layer.weight.data, requires_grad=False, quant_type=QUANT_TYPE)
        twin = twin.to("cpu")  # moving is what packs the weight
    twin.bias = layer.bias
    return twin


@functools.cache
def _linear8_class() -> type[nn.Linear]:
    import bitsandbytes.nn as bnb

    class AnyLinear8bit(bnb.Linear8bitLt):
        """An 8-bit linear layer for inputs of any shape and precision.

        On a CPU the original's backward wants rows, and it casts the bias to the inputs' type.
        """

        def forward(self, features: Tensor) -> Tensor:
            with torch.autocast(features.device.type, enabled=False):
                rows: Tensor = super().forward(features.float().flatten(0, -2))
            return rows.unflatten(0, features.shape[:-1])

    return AnyLinear8bit


def _round_to_4bit(weight: Tensor) -> Tensor:
    import bitsandbytes.functional as bnb

    packed, state = bnb.quantize_4bit(weight, quant_type=QUANT_TYPE)
    return bnb.dequantize_4bit(packed, state)


def _unpack(packed: Tensor) -> Tensor:
    import bitsandbytes.functional as bnb

    return bnb.dequantize_4bit(packed.data, packed.quant_state)  # type: ignore[attr-defined]
