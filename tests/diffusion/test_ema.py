"""The averages of the weights, on trajectories whose average is known."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from diffusion.ema import EXPONENTIAL, RELATIVE_LENGTHS, EmaTracks, power_exponent

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


def exponential(path, steps, decay, copy_steps, batch_size=1):
    """Return the exponential average of the weights path(1), path(2) ... path(steps)."""
    network = weight()
    averages = EmaTracks(network, decay, copy_steps)
    for step in range(1, steps + 1):
        nn.init.constant_(network.weight, path(step))
        averages.update(step * batch_size, batch_size)
    return averages.tracks[EXPONENTIAL]["weight"].item()


def test_exponential_track_is_kept_where_it_has_a_decay():
    assert EmaTracks(weight()).tracks.keys() == RELATIVE_LENGTHS.keys()
    assert EmaTracks(weight(), copy_steps=5).tracks.keys() == RELATIVE_LENGTHS.keys()
    assert EmaTracks(weight(), 0.5).tracks.keys() == {*RELATIVE_LENGTHS, EXPONENTIAL}


@pytest.mark.parametrize("copy_steps", [0, 1, 7, 100])
def test_exponential_average_of_constant_weights_is_what_the_start_has_lost(copy_steps):
    # The start, at zero, is forgotten by the first copy or else by d^n.
    average = exponential(lambda step: 3.25, 20, 0.9, copy_steps)
    expected = 3.25 if copy_steps else 3.25 * (1 - 0.9**20)
    assert average == pytest.approx(expected, rel=1e-12)


@given(
    decay=st.floats(0.01, 0.999),
    copy_steps=st.integers(0, 30),
    more_steps=st.integers(0, 30),
    batch_size=st.sampled_from([1, 3, 16]),
)
@settings(max_examples=60, deadline=None)
def test_exponential_average_of_a_ramp_lags_as_its_closed_form_does(
    decay, copy_steps, more_steps, batch_size
):
    # From w_c = c on, the average of w_n = n lags by L (1 - d^(n - c)) with L = d / (1 - d).
    steps = copy_steps + more_steps
    average = exponential(float, steps, decay, copy_steps, batch_size)
    lag = decay / (1 - decay) * (1 - decay**more_steps)
    assert average == pytest.approx(steps - lag, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("copy_steps", [1, 4])
def test_exponential_track_copies_up_to_its_step_and_decays_after(copy_steps):
    values = [5.0, -1.0, 2.0, 8.0, 100.0, 7.0]

    def value(step):
        return values[step - 1]

    for steps in range(1, copy_steps + 1):
        assert exponential(value, steps, 0.75, copy_steps) == values[steps - 1]
    first = exponential(value, copy_steps + 1, 0.75, copy_steps)
    assert first == 0.75 * values[copy_steps - 1] + 0.25 * values[copy_steps]


def test_other_tracks_do_not_depend_on_the_exponential_one():
    def tracks(*options):
        network = weight()
        averages = EmaTracks(network, *options)
        for step in range(1, 20):
            nn.init.constant_(network.weight, math.sin(step))
            averages.update(16 * step, 16)
        return {name: averages.tracks[name]["weight"].item() for name in RELATIVE_LENGTHS}

    assert tracks() == tracks(0.9, 5)


def test_only_parameters_that_learn_are_averaged():
    # Frozen codes are integers, of which there is no average.
    network = nn.Linear(2, 3)
    network.weight = nn.Parameter(torch.ones(3, 2, dtype=torch.uint8), requires_grad=False)
    network.register_buffer("frequencies", torch.ones(4))
    averages = EmaTracks(network, 0.9)
    nn.init.constant_(network.bias, 2.0)
    averages.update(16, 16)
    for name, track in averages.tracks.items():
        assert track.keys() == {"bias"}, name
        assert track["bias"].dtype == torch.float32
    assert torch.equal(averages.tracks["mid"]["bias"], network.bias)
