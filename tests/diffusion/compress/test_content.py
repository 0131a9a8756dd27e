"""The content: whole numbers come back, for no more bytes than deflate alone would take."""

import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion.compress.content import SYMBOL_TYPES, pack_content, unpack_content
from diffusion.compress.entries import split_step
from diffusion.compress.uniform import UniformTensor, grid_step

NUMBERS = st.integers(-5, 5) | st.integers(-(2**17), 2**17)
TENSORS = st.lists(st.lists(NUMBERS, max_size=50), min_size=1, max_size=4)


def uniform(numbers, step=0.5):
    symbols = torch.tensor(numbers, dtype=torch.int32)
    return UniformTensor(symbols, step, (len(symbols),))


def same(stored, tensors):
    return list(stored) == list(tensors) and all(
        torch.equal(value.dequantize(), tensors[name]) for name, value in stored.items()
    )


@given(TENSORS)
@settings(max_examples=60)
def test_whole_numbers_come_back(tensors):
    stored = {f"tensor{number}": uniform(values) for number, values in enumerate(tensors)}
    assert same(stored, dict(unpack_content(*pack_content(stored))))


@pytest.mark.parametrize(
    "numbers",
    [[], [0], [7], [-3] * 1_000, [0] * 10_000, [0] * 999 + [2**15], [2**31 - 1, -(2**31)]],
    ids=["none", "zero", "one", "constant", "zeros", "outlier", "widest"],
)
def test_extreme_tensors_come_back(numbers):
    stored = {"tensor": uniform(numbers, step=2.0**-30)}
    assert same(stored, dict(unpack_content(*pack_content(stored))))


def test_constants_take_nothing():
    _, lengths, content = pack_content({"a": uniform([0] * 10**5), "b": uniform([4] * 10**5)})
    assert lengths == [len(zlib.compress(b"")), 0]
    assert len(content) == sum(lengths)


def patterns():
    generator = np.random.default_rng(0)
    normal = generator.normal(0, 1, 20_000)
    rows = np.zeros((200, 100))
    rows[::20] = generator.normal(0, 2, (10, 100))
    return {
        "normal": normal,
        "wide": 1_000 * normal,
        "pruned": normal * (generator.random(20_000) < 0.2),
        "rows": rows.ravel(),  # runs of zeros: deflate's own ground
        "repeated": np.tile(3 * normal[:50], 400),
        "short": normal[:9],
    }


@pytest.mark.parametrize("pattern", patterns())
def test_no_tensor_costs_more_than_deflate_alone(pattern):
    symbols = np.rint(patterns()[pattern]).astype(int)
    entries, _, content = pack_content({"tensor": uniform(symbols.tolist())})
    width = 1 if np.abs(symbols).max() < 2**7 else 2
    planes = symbols.astype(SYMBOL_TYPES[width]).view(np.uint8).reshape(-1, width).T.tobytes()
    line = entries[0].to_list()
    assert len(content) + 1.6 * len(line[8:]) <= len(zlib.compress(planes, 9)) + 16


@pytest.mark.parametrize("kind", ["dense", "pruned", "repeated"])
def test_long_floats_come_back_for_no_more_than_deflates_best_effort(kind):
    """Longer than the sample that the search for repetitions is tried on, in three tensors."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(3, 120_000, generator=generator)
    if kind == "pruned":
        values *= torch.rand(values.shape, generator=generator) < 0.05
    elif kind == "repeated":
        values = values[:, :500].repeat(1, 240)
    stored = {str(number): row for number, row in enumerate(values)}
    entries, lengths, content = pack_content(stored)
    found = dict(unpack_content(entries, lengths, content))
    assert all(torch.equal(found[name], row) for name, row in stored.items())
    planes = [row.numpy().view(np.uint8).reshape(-1, 4).T.tobytes() for row in values]
    assert len(content) <= len(zlib.compress(b"".join(planes), 9)) + 64


@pytest.mark.parametrize(("pattern", "coding"), [("repeated", "deflate"), ("normal", "range")])
def test_the_coder_is_chosen_by_tensor(pattern, coding):
    symbols = np.rint(patterns()[pattern]).astype(int)
    entries, _, _ = pack_content({"tensor": uniform(symbols.tolist())})
    assert entries[0].to_list()[2] == coding


@given(st.floats(1e-30, 1e30))
def test_steps_of_the_grid_are_a_mantissa_and_an_exponent(step):
    mantissa, exponent = split_step(grid_step(step))
    assert 16 <= mantissa <= 31
    assert mantissa * 2.0**exponent == grid_step(step)
    assert abs(grid_step(step) - step) <= step / 32
