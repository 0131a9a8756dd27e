"""The published noise processes against their formulas in plain numbers."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from published_alpha_bars import ALPHA_BARS

from diffusion.noise_processes import (
    exploding_sigma,
    exploding_time,
    interpolate,
    preserving_alpha_bar,
)


@settings(max_examples=50, deadline=None)
@given(time=st.floats(1e-5, 1))
def test_exploding_time_is_the_inverse_of_the_noise_level(time):
    std = math.sqrt((25 ** (2 * time) - 1) / (2 * math.log(25)))
    sigma = exploding_sigma(torch.tensor([time], dtype=torch.float64))
    assert sigma.item() == pytest.approx(std, rel=1e-6)
    assert exploding_time(sigma).item() == pytest.approx(time, rel=1e-9)
    # In float32 too, where 25^(2t) - 1 would lose its digits.
    assert exploding_time(sigma.float()).item() == pytest.approx(time, rel=1e-6)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_alpha_bars_are_the_published_ones(schedule):
    alpha_bars = preserving_alpha_bar(schedule)
    assert alpha_bars.dtype == torch.float64
    assert alpha_bars.tolist() == pytest.approx(ALPHA_BARS[schedule], rel=1e-9)


@pytest.mark.parametrize(
    ("schedule", "index", "alpha_bar"),
    [
        ("linear", 0, 0.9999),
        ("linear", 1, 0.9999 * (1 - 1e-4 - 0.0199 / 999)),
        ("linear", 999, 4.0358e-5),  # sqrt 0.00635, the signal left at the end
        ("cosine", 0, 0.99995878),
        ("cosine", 499, 0.49384377),
        ("cosine", 999, 2.4289e-9),  # the last beta is 0.999, not 1
    ],
)
def test_alpha_bars_by_hand(schedule, index, alpha_bar):
    assert preserving_alpha_bar(schedule)[index].item() == pytest.approx(alpha_bar, rel=1e-4)


@given(value=st.floats(-5, 15))
@settings(max_examples=100, deadline=None)
def test_curve_is_linear_between_its_points_and_flat_outside(value):
    known, targets = [0.0, 1.0, 4.0, 10.0], [3.0, 5.0, -1.0, 11.0]
    read = interpolate(
        torch.tensor([value], dtype=torch.float64), torch.tensor(known), torch.tensor(targets)
    )
    assert read.item() == pytest.approx(np.interp(value, known, targets), rel=1e-12, abs=1e-12)
