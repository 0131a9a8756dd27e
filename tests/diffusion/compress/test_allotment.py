"""The allotment of steps: the mean that was asked for, and less drift for the same bits."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_rounding import RECIPES, network_of

from diffusion.compress.allotment import COARSEST, FINEST, allot, allot_steps
from diffusion.compress.calibration import Calibration
from diffusion.compress.uniform import relative_steps, round_weights


@pytest.fixture(scope="module")
def digits():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (64, 1, 28, 28), dtype=torch.uint8, generator=generator)
    return images, torch.arange(64) % 10


def bits(network, steps):
    """Return the entropy of all symbols, tensor by tensor."""
    total = 0.0
    for name, step in steps.items():
        symbols = network.get_parameter(name).detach().div(step).round().long().flatten()
        counts = torch.bincount(symbols - symbols.min()).double()
        shares = counts[counts > 0] / counts.sum()
        total -= float((counts[counts > 0] * shares.log2()).sum())
    return total


@pytest.mark.parametrize("architecture", ["ncsn", "mini_ddpm"])
def test_allotted_steps_drift_less_than_equal_ones_of_as_many_bits(architecture, digits):
    recipe = RECIPES[architecture]
    network = network_of(recipe)
    allotted = allot_steps(network, recipe, *digits)
    equal = relative_steps(network, 1.0)
    others = Calibration.of(recipe, network, *digits, num_images=64, seed=1)
    original = others.denoise(network)
    drifts, spent = [], []
    for steps in (allotted, equal):
        rounded = copy.deepcopy(network)
        round_weights(rounded, steps)
        drifts.append(others.drift(rounded, original))
        spent.append(bits(rounded, steps))
    assert spent[0] < 1.1 * spent[1]
    assert drifts[0] < 0.5 * drifts[1]


def test_the_network_comes_back_as_it_was(digits):
    recipe = RECIPES["ncsn"]
    network = network_of(recipe)
    before = copy.deepcopy(network.state_dict())
    allot_steps(network, recipe, *digits)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_tensor_that_is_all_zero_has_a_step(digits):
    recipe = RECIPES["ncsn"]
    network = network_of(recipe)
    torch.nn.init.zeros_(network.get_parameter("out.weight"))
    steps = allot_steps(network, recipe, *digits)
    assert all(step > 0 and math.isfinite(step) for step in steps.values())


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=3),
        st.tuples(st.floats(1e-12, 1e12), st.integers(1, 10**6)),
        min_size=1,
        max_size=6,
    ),
    st.floats(0.02, 3.9),
)
def test_each_last_bit_buys_the_same_but_at_the_ends(tensors, mean_step):
    sensitivities = {name: value for name, (value, _) in tensors.items()}
    counts = {name: count for name, (_, count) in tensors.items()}
    steps = allot(sensitivities, counts, mean_step)
    assert all(FINEST * 0.999 <= step <= COARSEST * 1.001 for step in steps.values())
    free = [
        sensitivities[name] * step**2 / counts[name]
        for name, step in steps.items()
        if FINEST * 1.001 < step < COARSEST * 0.999
    ]
    assert not free or max(free) <= min(free) * (1 + 1e-6)
    if len(free) == len(steps):
        total = sum(counts.values())
        mean = sum(counts[name] * math.log(step) for name, step in steps.items()) / total
        assert math.exp(mean) == pytest.approx(mean_step, rel=1e-6)
