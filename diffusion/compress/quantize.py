"""Quantization after training: weights as indices into a codebook, scaled block by block.

The codes are those of bitsandbytes' blockwise functions: its dynamic 8-bit map (Dettmers et al.
2022) and 4-bit NormalFloat (Dettmers et al. 2023). Reading them back is a table lookup, which
needs no bitsandbytes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from diffusion.compress.uniform import MULTIPLYING, Steps, UniformTensor, to_symbols
from diffusion.recipe import Quantization

BLOCK_SIZES = {8: 256, 4: 64}  # Weights that share one scale, by bits.


@dataclass(frozen=True)
class QuantizedTensor:
    """A tensor as codes into a codebook, and a scale for each block of them.

    Attributes:
        codes: [n] uint8, one a weight.
        scales: [ceil(n / block)] float32, the largest magnitude of each block.
        codebook: [2^bits] float32 in [-1, 1].
        shape: of the tensor with n elements.
    """

    codes: Tensor
    scales: Tensor
    codebook: Tensor
    shape: tuple[int, ...]

    @property
    def bits(self) -> int:
        """The bits that a code takes, 4 or 8."""
        return len(self.codebook).bit_length() - 1

    def dequantize(self) -> Tensor:
        """Return the float32 tensor that the codes stand for."""
        values = self.codebook[self.codes.int()]
        scales = self.scales.repeat_interleave(BLOCK_SIZES[self.bits])[: len(values)]
        return (values * scales).reshape(self.shape)


StoredTensor = Tensor | QuantizedTensor | UniformTensor


def pack_nibbles(codes: Tensor) -> Tensor:
    """Pack [n] 4-bit codes into [ceil(n / 2)] bytes, the first of a pair in the high half."""
    even = torch.cat([codes, codes.new_zeros(len(codes) % 2)])
    return (even[0::2] << 4) | even[1::2]


def unpack_nibbles(packed: Tensor, count: int) -> Tensor:
    """Return the first `count` 4-bit codes of bytes that `pack_nibbles` packed, [count] uint8."""
    return torch.stack([packed >> 4, packed & 15], dim=1).flatten()[:count]


def quantize_weights(
    network: nn.Module, quantization: Quantization, steps: Steps | None = None
) -> dict[str, StoredTensor]:
    """Return a network's state with the weights that a quantization covers as codes.

    Args:
        network: holds float32 weights; stays as it is.
        quantization: `linear8` and `linear4` cover the weights of linear layers, `weights8` all
            weight matrices and kernels; biases and norms stay float32. `uniform` covers what has
            a step; its biases and norms become float16, to which rounding is finer by far.
        steps: of `uniform`.
    """
    if quantization == "uniform":
        return _round_uniformly(network, steps or {})
    covered = covered_bits(network, quantization)
    return {
        name: quantize(value, covered[name]) if name in covered else value.detach().cpu()
        for name, value in network.state_dict().items()
    }


def plain_values(stored: StoredTensor) -> Tensor:
    """Return the float32 tensor that a reader of the package sees."""
    return stored.float() if isinstance(stored, Tensor) else stored.dequantize()


def finite_values(name: str, stored: StoredTensor) -> Tensor:
    """Return the float32 tensor that a reader of the package sees.

    Raises:
        ValueError: an element is not finite; the message names the tensor.
    """
    values = plain_values(stored)
    if not bool(values.isfinite().all()):
        raise ValueError(f"tensor {name} has values that are not finite")
    return values


def _round_uniformly(network: nn.Module, steps: Steps) -> dict[str, StoredTensor]:
    parameters = dict(network.named_parameters())
    stored: dict[str, StoredTensor] = {}
    for name, value in network.state_dict().items():
        if name in steps:
            stored[name] = to_symbols(value, steps[name])
            continue
        half = value.detach().cpu().half()
        # Buffers stay: they are the frequencies of noise features, which turn with their errors.
        fits = name in parameters and bool(half.isfinite().all())
        stored[name] = half if fits else value.detach().cpu()
    return stored


def covered_bits(network: nn.Module, quantization: Quantization) -> dict[str, int]:
    """Return the bits of a code for each tensor that a quantization covers, by its name."""
    bits = 4 if quantization == "linear4" else 8
    return {
        f"{name}.weight": bits
        for name, module in network.named_modules()
        if _is_covered(module, quantization)
    }


def _is_covered(module: nn.Module, quantization: Quantization) -> bool:
    if quantization in ("linear8", "linear4"):
        return isinstance(module, nn.Linear)
    return quantization == "weights8" and isinstance(module, MULTIPLYING)


def quantize(values: Tensor, bits: int) -> QuantizedTensor:
    """Return a tensor as codes of 4 or 8 bits, on the CPU."""
    import bitsandbytes.functional as bnb  # slow to import: only where it is used

    flat = values.detach().cpu().float().flatten()
    if bits == 4:
        packed, state = bnb.quantize_4bit(flat, blocksize=BLOCK_SIZES[4], quant_type="nf4")
        codes = unpack_nibbles(packed.flatten(), flat.numel())
    else:
        codes, state = bnb.quantize_blockwise(flat, blocksize=BLOCK_SIZES[8])
    codebook = state.code.float()
    # bitsandbytes may round 0 to its smallest code; what was pruned must stay exactly 0.
    codes[flat == 0] = int((codebook == 0).nonzero()[0])
    return QuantizedTensor(codes, state.absmax.float(), codebook, tuple(values.shape))
