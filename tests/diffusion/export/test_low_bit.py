"""Low-bit weights in an ONNX model are the very values that a package's reader sees."""

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from diffusion.compress.quantize import QuantizedTensor, StoredTensor, plain_values, quantize
from diffusion.compress.uniform import UniformTensor
from diffusion.export.low_bit import store_low_bit


def stored_and_seen(shape: tuple[int, ...], value: StoredTensor) -> tuple[bytes, np.ndarray]:
    """Return a model with one weight, stored low-bit, and what onnxruntime makes of it."""
    weight = numpy_helper.from_array(plain_values(value).numpy(), "network.w")
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)
    node = helper.make_node("Identity", ["network.w"], ["out"])
    graph = helper.make_graph([node], "one", [], [out], [weight])
    opsets = [helper.make_opsetid("", 21)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    store_low_bit(model, {"w": value})
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return content, session.run(None, {})[0]


@pytest.mark.parametrize(
    ("most", "bits"), [(1, 4), (7, 4), (8, 8), (127, 8), (128, 16), (32_767, 16), (2**20, 32)]
)
@pytest.mark.parametrize("shape", [(40, 25), (7, 3, 3, 3), (1,)])
def test_multiples_of_a_step_take_as_few_bits_as_they_need(
    most: int, bits: int, shape: tuple[int, ...]
) -> None:
    generator = torch.Generator().manual_seed(most)
    count = int(np.prod(shape))
    symbols = torch.randint(-most, most + 1, (count,), dtype=torch.int32, generator=generator)
    symbols[0] = most
    value = UniformTensor(symbols, 0.3125, shape)
    content, seen = stored_and_seen(shape, value)
    np.testing.assert_array_equal(seen, value.dequantize().numpy())
    assert len(content) < count * bits / 8 + 250


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("count", [1, 64, 255, 1_000, 4_096])
def test_codes_are_looked_up_and_scaled_block_by_block(bits: int, count: int) -> None:
    values = torch.randn(count, generator=torch.Generator().manual_seed(count))
    value = quantize(values.reshape(count, 1), bits)
    assert isinstance(value, QuantizedTensor)
    content, seen = stored_and_seen((count, 1), value)
    np.testing.assert_array_equal(seen, value.dequantize().numpy())
    assert len(content) < 1.1 * count * bits / 8 + 4 * 2**bits + 1_200


def test_plain_weights_stay_as_they_are() -> None:
    value = torch.randn(3, 4)
    _, seen = stored_and_seen((3, 4), value)
    np.testing.assert_array_equal(seen, value.numpy())
