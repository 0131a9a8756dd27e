"""The averages of the weights, on trajectories whose average is known."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from diffusion.ema import RELATIVE_LENGTHS, EmaTracks, power_exponent

STEPS = 4_000
ALL = pytest.mark.parametrize("track", RELATIVE_LENGTHS)


def weight(value=0.0):
    network = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(network.weight, value)
    return network


def average(path, batch_size=1, start=0.0):
    """Return each track's average of the weights path(1), path(2) ... path(STEPS)."""
    network = weight(start)
    averages = EmaTracks(network)
    for step in range(1, STEPS + 1):
        nn.init.constant_(network.weight, path(step))
        averages.update(step * batch_size, batch_size)
    return {track: values["weight"].item() for track, values in averages.tracks.items()}


@given(length=st.floats(0.005, 0.28))
@settings(max_examples=100, deadline=None)
def test_exponent_has_the_relative_length_asked_for(length):
    g = power_exponent(length)
    assert math.sqrt((g + 1) / ((g + 2) ** 2 * (g + 3))) == pytest.approx(length, rel=1e-6)
    assert g >= -0.5


@pytest.mark.parametrize(("length", "exponent"), [(0.05, 16.97), (0.10, 6.94)])
def test_exponents_are_the_published_ones(length, exponent):
    assert power_exponent(length) == pytest.approx(exponent, abs=0.01)


def test_average_of_constant_weights_is_constant():
    assert average(lambda step: 3.25) == dict.fromkeys(RELATIVE_LENGTHS, 3.25)


def test_average_of_a_ramp_is_the_mean_of_its_density():
    # The density (g + 1) t^g on [0, 1] has the mean (g + 1) / (g + 2).
    for track, value in average(lambda step: step / STEPS).items():
        g = power_exponent(RELATIVE_LENGTHS[track])
        assert value == pytest.approx((g + 1) / (g + 2), rel=1e-3)


def test_average_of_a_parabola_has_the_variance_of_the_relative_length():
    ramp = average(lambda step: step / STEPS)
    parabola = average(lambda step: (step / STEPS) ** 2)
    for track, length in RELATIVE_LENGTHS.items():
        assert math.sqrt(parabola[track] - ramp[track] ** 2) == pytest.approx(length, rel=5e-3)


@pytest.mark.parametrize("batch_size", [2, 64])
def test_time_is_relative_so_the_batch_size_does_not_matter(batch_size):
    expected = average(math.sin)
    assert average(math.sin, batch_size) == pytest.approx(expected)


def test_first_update_copies():
    expected = dict.fromkeys(RELATIVE_LENGTHS, 1.0)
    assert average(lambda step: 1.0, start=1e6) == pytest.approx(expected)
    network = weight(1e6)
    averages = EmaTracks(network)
    nn.init.constant_(network.weight, 2.5)
    averages.update(16, 16)
    assert all(values["weight"].item() == 2.5 for values in averages.tracks.values())


def test_longer_tracks_lag_more():
    ramp = average(lambda step: step / STEPS)
    assert ramp["long"] < ramp["mid"] < ramp["short"] < 1


@ALL
def test_tracks_are_apart_from_the_weights_and_from_each_other(track):
    network = weight(1.0)
    averages = EmaTracks(network)
    nn.init.constant_(network.weight, 9.0)
    assert averages.tracks[track]["weight"].item() == 1.0
    averages.tracks[track]["weight"].fill_(5.0)
    others = [averages.tracks[name]["weight"].item() for name in RELATIVE_LENGTHS if name != track]
    assert others == [1.0, 1.0]
    assert network.weight.item() == 9.0
    assert not averages.tracks[track]["weight"].requires_grad


def exponential(path, decay, copy_steps, steps=20):
    """Follow a weight along `path(step)` and return its exponential average."""
    network = weight(0.0)
    averages = EmaTracks(network, decay, copy_steps)
    for step in range(1, steps + 1):
        nn.init.constant_(network.weight, path(step))
        averages.update(step * 16, 16)
    return averages.tracks["exponential"]["weight"].item()


def test_exponential_average_copies_first_and_decays_then():
    assert exponential(lambda step: step, decay=0.9, copy_steps=20) == 20
    # From a copy of 0 after 5 steps, 15 steps at 1 leave 0.9^15 of the difference.
    jump = exponential(lambda step: float(step > 5), decay=0.9, copy_steps=5)
    assert jump == pytest.approx(1 - 0.9**15)


def test_exponential_average_of_a_ramp_lags_by_its_closed_form():
    # With a_0 = 0 the lag behind the ramp is d (1 - d^n) / (1 - d).
    lag = 20 - exponential(lambda step: step, decay=0.5, copy_steps=0)
    assert lag == pytest.approx(0.5 * (1 - 0.5**20) / 0.5, rel=1e-5)


def test_exponential_average_is_kept_only_with_a_decay():
    assert set(EmaTracks(weight(0.0)).tracks) == set(RELATIVE_LENGTHS)
    assert set(EmaTracks(weight(0.0), 0.9).tracks) == {*RELATIVE_LENGTHS, "exponential"}


def test_only_what_learns_is_averaged():
    network = weight(1.0)
    network.register_parameter("frozen", nn.Parameter(torch.ones(2), requires_grad=False))
    averages = EmaTracks(network, 0.9)
    averages.update(16, 16)
    assert all(set(track) == {"weight"} for track in averages.tracks.values())
