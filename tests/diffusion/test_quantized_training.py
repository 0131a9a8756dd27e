"""Quantized layers: bitsandbytes' own and how their averages are ruined, and ours in networks."""

import copy

import bitsandbytes.nn as bnb
import pytest
import torch
import torch.nn.functional as F
from quantized_layers import EACH, QUANTIZED, distance, normal
from small_networks import DIGITS, call, config, perturb
from torch import nn

from diffusion.compress.quantize import quantize_weights
from diffusion.networks import build_network
from diffusion.quantized_training import (
    StraightThroughLinear4bit,
    float_state,
    quantize_linears,
)

pytestmark = pytest.mark.usefixtures("_quiet_bitsandbytes")

# The explanation of the black images.


def descend(layer, clears_before_the_loss, steps=20):
    """Fit a layer to random targets; return its output in training, before and after."""
    features, targets = normal(32, 16), normal(32, 8, seed=1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    first = layer(features).detach()
    for _ in range(steps):
        if clears_before_the_loss:
            optimizer.zero_grad()
        loss = (layer(features) - targets).square().mean()
        if not clears_before_the_loss:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if clears_before_the_loss:
        optimizer.zero_grad()
    return first, layer(features).detach(), F.linear(features, layer.weight.detach())


def test_8bit_layer_keeps_its_first_codes_where_gradients_are_cleared_after_the_loss():
    layer = bnb.Linear8bitLt(16, 8, bias=False)
    start = layer.weight.detach().clone()
    first, last, of_the_weight = descend(layer, clears_before_the_loss=False)
    assert torch.equal(first, last)
    # All the while its float weight has moved: a copy made of it computes something else.
    assert distance(layer.weight.detach(), start) > 0.5
    assert distance(of_the_weight, last) > 0.5


def test_8bit_layer_follows_its_weight_where_gradients_are_cleared_before_the_loss():
    layer = bnb.Linear8bitLt(16, 8, bias=False)
    first, last, of_the_weight = descend(layer, clears_before_the_loss=True)
    assert distance(last, first) > 0.5
    assert distance(last, of_the_weight) < 0.02


def test_8bit_layer_that_only_evaluates_keeps_the_codes_of_its_first_call():
    layer = bnb.Linear8bitLt(16, 8, bias=False).eval().requires_grad_(False)
    features = normal(4, 16)
    first = layer(features)
    assert distance(first, F.linear(features, layer.weight)) < 0.02
    layer.weight.mul_(-3)
    assert torch.equal(layer(features), first)
    assert distance(layer.train()(features), -3 * first) < 0.02


def test_packed_4bit_weights_cannot_be_averaged():
    layers = [bnb.Linear4bit(16, 8, bias=False).to("cpu") for _ in range(2)]
    first, second = (layer.weight.data for layer in layers)
    assert first.dtype == torch.uint8
    with pytest.raises(RuntimeError):
        first.lerp_(second, 0.5)


# What stands in for a linear layer.


@EACH
@QUANTIZED
def test_linear_layers_are_replaced_and_no_others(architecture, quantization):
    network = build_network(config(architecture), DIGITS)
    before = dict(network.named_modules())
    weights = network.state_dict()
    quantize_linears(network, quantization)
    after = dict(network.named_modules())
    assert after.keys() == before.keys()
    replaced = {name for name in before if after[name] is not before[name]}
    assert replaced == {name for name, layer in before.items() if type(layer) is nn.Linear}
    assert len(replaced) > 3
    state = float_state(network)
    assert list(state) == list(weights)
    covered = {f"{name}.weight" for name in replaced}
    for name, value in state.items():
        assert value.dtype == torch.float32
        assert not value.requires_grad
        rounded = name in covered and quantization == "linear4_frozen"
        assert torch.equal(value, weights[name]) != rounded, name
        assert distance(value + 1e-9, weights[name] + 1e-9) < 0.2


def test_nothing_is_replaced_without_quantization():
    network = build_network(config("ncsn"), DIGITS)
    before = dict(network.named_modules())
    quantize_linears(network, "none")
    assert all(before[name] is layer for name, layer in network.named_modules())


@EACH
@QUANTIZED
def test_quantized_network_predicts_about_what_the_plain_one_does(architecture, quantization):
    network = perturb(build_network(config(architecture), DIGITS))
    expected = call(network, DIGITS)
    quantize_linears(network, quantization)
    error = distance(call(network, DIGITS), expected)
    assert 0 < error < (0.03 if quantization == "linear8" else 0.3)
    plain = build_network(config(architecture), DIGITS)
    plain.load_state_dict(float_state(network))
    if quantization == "linear4_frozen":
        assert distance(call(plain, DIGITS), call(network, DIGITS)) < 0.01
    else:
        assert torch.equal(call(plain, DIGITS), expected)


@QUANTIZED
@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4)])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_gradients_are_those_of_the_float_layer(quantization, shape, precision):
    plain = nn.Sequential(nn.Linear(16, 8))
    quantized = copy.deepcopy(plain)
    quantize_linears(quantized, quantization)
    features, weights = normal(*shape, 16), normal(*shape, 8, seed=1)
    inputs = [features.clone().requires_grad_() for _ in range(2)]
    for network, each in zip((plain, quantized), inputs, strict=True):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            output = network(each.to(precision))
        assert output.shape == (*shape, 8)
        (output.float() * weights).sum().backward()
    assert distance(inputs[1].grad, inputs[0].grad) < 0.2
    assert distance(quantized[0].bias.grad, plain[0].bias.grad) < 0.02
    assert quantized[0].bias.dtype == torch.float32
    if quantization == "linear4_frozen":
        assert quantized[0].weight.grad is None
    else:
        assert distance(quantized[0].weight.grad, plain[0].weight.grad) < 0.02


@pytest.mark.parametrize("quantization", ["linear4_frozen", "linear4_straight_through"])
def test_evaluating_does_not_change_the_state(quantization):
    network = nn.Sequential(nn.Linear(64, 64))
    quantize_linears(network, quantization)
    features = normal(4, 64)
    with torch.no_grad():
        trained = network(features)
        state = {name: value.clone() for name, value in float_state(network).items()}
        assert distance(network.eval()(features), trained) < 0.02
    for name, value in float_state(network).items():
        assert torch.equal(value, state[name])
    assert distance(F.linear(features, state["0.weight"], state["0.bias"]), trained) < 0.2


def test_straight_through_layer_computes_with_the_4_bits_that_the_file_would_hold():
    plain = nn.Sequential(nn.Linear(100, 7))
    stored = quantize_weights(plain, "linear4")["0.weight"].dequantize()
    layer = StraightThroughLinear4bit(100, 7)
    layer.weight, layer.bias = plain[0].weight, plain[0].bias
    features = normal(3, 100)
    expected = F.linear(features, stored, plain[0].bias)
    torch.testing.assert_close(layer(features), expected, rtol=1e-4, atol=1e-5)
