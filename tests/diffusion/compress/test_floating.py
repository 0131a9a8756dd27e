"""Minifloats: a byte stands for a whole number, and for all that are nearest to it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion.compress.floating import from_minifloat, to_minifloat

LARGEST = 31 * 2**15


def test_bytes_stand_for_rising_whole_numbers():
    values = [from_minifloat(byte) for byte in range(256)]
    assert values[:18] == [*range(16, 32), 32, 34]
    assert values[-1] == LARGEST
    assert all(first < second for first, second in pairwise(values))


@pytest.mark.parametrize("byte", range(256))
def test_every_byte_comes_back(byte):
    assert to_minifloat(from_minifloat(byte)) == byte


@given(st.floats(16, LARGEST))
def test_the_nearest_number_is_within_a_thirty_second(value):
    assert abs(from_minifloat(to_minifloat(value)) - value) <= value / 32


@pytest.mark.parametrize(("value", "byte"), [(0.0, 0), (15.9, 0), (2e6, 255), (1e300, 255)])
def test_the_ends_stand_for_all_beyond(value, byte):
    assert to_minifloat(value) == byte
