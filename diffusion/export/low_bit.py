"""Low-bit weights in an ONNX model: stored as a package stores them, expanded by operators.

Multiples of a step become DequantizeLinear of 4, 8 or 16 bits, one scale a tensor. Codes into a
codebook, which are no multiples of anything, become a look-up and a scale for each block. Both
give the very float32 values that a package's reader sees.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from diffusion.compress.quantize import BLOCK_SIZES, QuantizedTensor, StoredTensor
from diffusion.compress.uniform import UniformTensor

PREFIX = "network."  # of a denoiser's weights, before their names in the network
# Types of whole numbers by the bits that they have, smallest first.
WHOLE_TYPES = {4: TensorProto.INT4, 8: TensorProto.INT8, 16: TensorProto.INT16}
CODE_TYPES = {4: TensorProto.UINT4, 8: TensorProto.UINT8}
Expansion = tuple[list[TensorProto], list[NodeProto]]


def store_low_bit(model: ModelProto, stored: Mapping[str, StoredTensor]) -> None:
    """Replace a model's float32 weights by low-bit ones, in place.

    Args:
        model: of a denoiser, of opset 21 or later.
        stored: the network's tensors as its package holds them, by name.
    """
    graph, tensors, nodes = model.graph, {}, []
    for initializer in list(graph.initializer):
        name = initializer.name
        made = _expand(name, stored.get(name.removeprefix(PREFIX)))
        if made is None:
            continue
        graph.initializer.remove(initializer)
        tensors.update({tensor.name: tensor for tensor in made[0]})  # some are for all weights
        nodes += made[1]
    graph.initializer.extend(tensors.values())
    for node in reversed(nodes):
        graph.node.insert(0, node)


def _expand(name: str, value: StoredTensor | None) -> Expansion | None:
    """Return the tensors and nodes that make a weight; None where it stays as it is."""
    if isinstance(value, UniformTensor):
        return _uniform(name, value)
    return _codes(name, value) if isinstance(value, QuantizedTensor) else None


def _uniform(name: str, value: UniformTensor) -> Expansion | None:
    symbols = value.symbols.numpy()
    kind = next((kind for bits, kind in WHOLE_TYPES.items() if _fits(symbols, bits)), None)
    if kind is None:
        return None
    tensors = [
        _whole(f"{name}.symbols", symbols, kind, value.shape),
        numpy_helper.from_array(np.array(value.step, np.float32), f"{name}.step"),
    ]
    inputs = [tensor.name for tensor in tensors]
    return tensors, [helper.make_node("DequantizeLinear", inputs, [name])]


def _codes(name: str, value: QuantizedTensor) -> Expansion:
    """Look codes up and scale them block by block; the last block is filled up, then cut."""
    block, count = BLOCK_SIZES[value.bits], math.prod(value.shape)
    padded = np.zeros((len(value.scales), block), np.uint8)
    padded.reshape(-1)[:count] = value.codes.numpy()
    codebook = f"codebook{value.bits}"
    tensors = [
        _whole(f"{name}.codes", padded, CODE_TYPES[value.bits], padded.shape),
        numpy_helper.from_array(value.codebook.numpy(), codebook),
        numpy_helper.from_array(value.scales.numpy()[:, None], f"{name}.scales"),
        _numbers("low_bit.flat", [-1]),
        _numbers("low_bit.begin", [0]),
        _numbers(f"{name}.end", [count]),
        _numbers(f"{name}.shape", value.shape),
    ]
    steps: list[tuple[str, list[str], dict[str, Any]]] = [
        ("Cast", [f"{name}.codes"], {"to": TensorProto.INT32}),
        ("Gather", [codebook, f"{name}.0"], {}),
        ("Mul", [f"{name}.1", f"{name}.scales"], {}),
        ("Reshape", [f"{name}.2", "low_bit.flat"], {}),
        ("Slice", [f"{name}.3", "low_bit.begin", f"{name}.end"], {}),
        ("Reshape", [f"{name}.4", f"{name}.shape"], {}),
    ]
    outputs = [*(f"{name}.{number}" for number in range(len(steps) - 1)), name]
    nodes = [
        helper.make_node(kind, inputs, [output], **options)
        for (kind, inputs, options), output in zip(steps, outputs, strict=True)
    ]
    return tensors, nodes


def _fits(symbols: np.ndarray, bits: int) -> bool:
    half = 2 ** (bits - 1)
    return -half <= int(symbols.min(initial=0)) and int(symbols.max(initial=0)) < half


def _whole(name: str, values: np.ndarray, kind: int, shape: tuple[int, ...]) -> TensorProto:
    """Return whole numbers as a tensor, of which two of 4 bits share a byte, the first low."""
    flat = values.reshape(-1)
    if kind in (TensorProto.INT4, TensorProto.UINT4):
        nibbles = np.append(flat, [0] * (len(flat) % 2)).astype(np.int64) & 15
        content = (nibbles[0::2] | nibbles[1::2] << 4).astype(np.uint8).tobytes()
    else:
        content = flat.astype(helper.tensor_dtype_to_np_dtype(kind)).tobytes()
    return TensorProto(name=name, data_type=kind, dims=shape, raw_data=content)


def _numbers(name: str, values: Sequence[int]) -> TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)
