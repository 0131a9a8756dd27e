"""Quantization: the codes against bitsandbytes' own, what they cover and how far they err."""

import bitsandbytes.functional as bnb
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from diffusion.compress.quantize import (
    BLOCK_SIZES,
    QuantizedTensor,
    pack_nibbles,
    quantize_weights,
    unpack_nibbles,
)
from diffusion.networks import build_network
from diffusion.recipe import DataConfig, NetworkConfig
from search_spaces.knobs import CODEBOOKS

DIGITS = DataConfig("digits", 28, 1, 10, "")
NETWORKS = {
    "ncsn": NetworkConfig("ncsn", (8, 16, 32, 64)),
    "mini_ddpm": NetworkConfig("mini_ddpm", (8, 16), groups=2),
}
LENGTHS = (1, 2, 3, 63, 64, 65, 127, 255, 256, 257, 511, 1_000, 4_097)
BITS = {"linear8": 8, "linear4": 4, "weights8": 8}
QUANTIZED = pytest.mark.parametrize("quantization", BITS)


def linear(values):
    """Wrap [n] values as the weights of a network of one linear layer."""
    layer = nn.Linear(len(values), 1)
    with torch.no_grad():
        layer.weight.copy_(values[None])
    return nn.Sequential(layer)


def quantized(values, quantization):
    result = quantize_weights(linear(values), quantization)["0.weight"]
    assert isinstance(result, QuantizedTensor)
    return result


def normal(length, seed=0):
    return torch.randn(length, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("length", LENGTHS)
def test_8bit_weights_are_those_bitsandbytes_reads_back(length):
    values = normal(length)
    codes, state = bnb.quantize_blockwise(values, blocksize=BLOCK_SIZES[8])
    ours = quantized(values, "linear8")
    assert ours.bits == 8
    assert torch.equal(ours.codes, codes)
    assert torch.equal(ours.dequantize().flatten(), bnb.dequantize_blockwise(codes, state))


@pytest.mark.parametrize("length", LENGTHS)
def test_4bit_weights_are_those_bitsandbytes_reads_back(length):
    values = normal(length)
    packed, state = bnb.quantize_4bit(values, blocksize=BLOCK_SIZES[4], quant_type="nf4")
    ours = quantized(values, "linear4")
    assert ours.bits == 4
    assert torch.equal(ours.codes, unpack_nibbles(packed.flatten(), length))
    expected = bnb.dequantize_4bit(packed, state).flatten()
    torch.testing.assert_close(ours.dequantize().flatten(), expected, rtol=1e-6, atol=0)


@QUANTIZED
@pytest.mark.parametrize("length", LENGTHS)
def test_error_is_at_most_half_a_gap_of_the_codebook(quantization, length):
    values = 0.02 * normal(length)
    ours = quantized(values, quantization)
    block = BLOCK_SIZES[BITS[quantization]]
    largest = torch.stack([part.abs().max() for part in values.split(block)])
    torch.testing.assert_close(ours.scales, largest)
    scales = largest.repeat_interleave(block)[:length]
    half_gap = ours.codebook.sort().values.diff().max() / 2
    error = (ours.dequantize().flatten() - values).abs()
    assert (error <= 1.01 * half_gap * scales + 1e-12).all()


@pytest.mark.parametrize(("quantization", "bound"), [("linear8", 0.015), ("linear4", 0.12)])
def test_relative_error_of_normal_weights_is_small(quantization, bound):
    values = normal(10_000)
    error = quantized(values, quantization).dequantize().flatten() - values
    assert 0 < error.norm() / values.norm() < bound


@QUANTIZED
def test_pruned_weights_stay_exactly_zero(quantization):
    values = normal(1_001)
    values[::3] = 0
    values[300:700] = 0  # whole blocks of 64 and 256
    again = quantized(values, quantization).dequantize().flatten()
    assert (again[values == 0] == 0).all()
    assert (again[values.abs() > 0.2] != 0).all()


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("nested", [False, True])
def test_4bit_values_quantize_to_themselves(length, nested):
    # Also where the scales were rounded too, as those of layers that are trained frozen.
    packed, state = bnb.quantize_4bit(
        0.02 * normal(length), quant_type="nf4", compress_statistics=nested
    )
    values = bnb.dequantize_4bit(packed, state).flatten()
    assert torch.equal(quantized(values, "linear4").dequantize().flatten(), values)


@QUANTIZED
def test_all_zeros_stay_zeros(quantization):
    assert torch.equal(quantized(torch.zeros(300), quantization).dequantize(), torch.zeros(1, 300))


@QUANTIZED
@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0, 1e6, 1e30])
def test_scale_of_the_weights_does_not_matter(quantization, scale):
    values = normal(500)
    again = quantized(scale * values, quantization).dequantize().flatten()
    expected = quantized(values, quantization).dequantize().flatten()
    torch.testing.assert_close(again / scale, expected, rtol=0.02, atol=0.05)
    assert again.isfinite().all()


@QUANTIZED
def test_largest_weight_of_a_block_is_kept(quantization):
    values = normal(256)
    at = values.abs().argmax()
    again = quantized(values, quantization).dequantize().flatten()
    torch.testing.assert_close(again[at], values[at], rtol=0.01, atol=0)


class EveryLayer(nn.Module):
    """One layer of each kind that a network may have."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 8, 3)
        self.up = nn.ConvTranspose2d(8, 4, 4)
        self.linear = nn.Linear(8, 6)
        self.embedding = nn.Embedding(5, 6)
        self.norm = nn.GroupNorm(2, 8)
        self.register_buffer("frequencies", torch.randn(16))


@pytest.mark.parametrize(
    ("quantization", "covered"),
    [
        ("none", set()),
        ("linear8", {"linear.weight"}),
        ("linear4", {"linear.weight"}),
        ("weights8", {"linear.weight", "conv.weight", "up.weight", "embedding.weight"}),
    ],
)
def test_quantization_covers_the_layers_of_its_name(quantization, covered):
    network = EveryLayer()
    stored = quantize_weights(network, quantization)
    state = network.state_dict()
    assert list(stored) == list(state)
    for name, value in stored.items():
        assert isinstance(value, QuantizedTensor) == (name in covered)
        if name in covered:
            assert value.dequantize().shape == state[name].shape
        else:
            assert torch.equal(value, state[name])


@pytest.mark.parametrize("architecture", NETWORKS)
def test_weights8_covers_all_but_biases_norms_and_buffers(architecture):
    network = build_network(NETWORKS[architecture], DIGITS)
    stored = quantize_weights(network, "weights8")
    covered = {name for name, value in stored.items() if isinstance(value, QuantizedTensor)}
    assert covered == {name for name, value in network.named_parameters() if value.ndim > 1}
    assert any("label" in name for name in covered)


@pytest.mark.parametrize("quantization", CODEBOOKS)
def test_network_stays_as_it_is(quantization):
    network = build_network(NETWORKS["mini_ddpm"], DIGITS)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    stored = quantize_weights(network, quantization)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(getattr(value, "requires_grad", False) for value in stored.values())


@QUANTIZED
def test_memory_layout_does_not_change_the_codes(quantization):
    plain, last = (
        quantize_weights(
            build_network(NETWORKS["mini_ddpm"], DIGITS).to(memory_format=f), quantization
        )
        for f in (torch.contiguous_format, torch.channels_last)
    )
    for name, value in plain.items():
        if isinstance(value, QuantizedTensor):
            assert torch.equal(value.dequantize(), last[name].dequantize())


def codes():
    return st.lists(st.integers(0, 15), max_size=50)


@given(codes=codes())
@settings(max_examples=100, deadline=None)
def test_nibbles_survive_packing(codes):
    tensor = torch.tensor(codes, dtype=torch.uint8)
    packed = pack_nibbles(tensor)
    assert packed.dtype == torch.uint8
    assert len(packed) == -(-len(codes) // 2)
    assert torch.equal(unpack_nibbles(packed, len(codes)), tensor)


def test_first_code_of_a_pair_is_the_high_half():
    packed = pack_nibbles(torch.tensor([1, 2, 15, 0, 7], dtype=torch.uint8))
    assert packed.tolist() == [0x12, 0xF0, 0x70]
