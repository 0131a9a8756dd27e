"""Models of symbols: whole weights below 2^53, and bits that the range coder really takes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion.compress.range_coding import RangeReader, encode_ranges
from diffusion.compress.symbols import BYTES_A_NUMBER, MOST_LISTED, MOST_SYMBOL, SymbolModel, fit

BYTES, RATIOS = st.integers(0, 255), st.integers(0, 2**16 - 1)
BOUNDS = st.tuples(st.integers(-400, 400), st.integers(1, 400))


def check_weights(model):
    weights = model.weights()
    assert weights.shape == (model.size,)
    assert (weights >= 1).all()
    assert (weights == np.floor(weights)).all()
    assert weights.sum() < 2**53


@given(st.sampled_from(["geometric", "gaussian"]), BOUNDS, BYTES, RATIOS)
@settings(max_examples=50)
def test_weights_are_whole_and_their_sum_exact(kind, bounds, zero, ratio):
    least, width = bounds
    check_weights(SymbolModel(kind, least, least + width, (zero, ratio)))


@pytest.mark.parametrize("kind", ["geometric", "gaussian"])
@pytest.mark.parametrize("ratio", [0, 1, 2**15, 2**16 - 1])
def test_the_widest_weights_are_exact(kind, ratio):
    check_weights(SymbolModel(kind, -MOST_SYMBOL, MOST_SYMBOL, (255, ratio)))


@given(st.lists(BYTES, min_size=2, max_size=MOST_LISTED), st.integers(-300, 300))
@settings(max_examples=50)
def test_tables_list_a_weight_for_each_symbol(numbers, least):
    model = SymbolModel("table", least, least + len(numbers) - 1, tuple(numbers))
    check_weights(model)
    assert model.weights().tolist() == [(16 + n % 16) * 2 ** (n // 16) for n in numbers]


def test_geometric_weights_fall_by_their_ratio():
    weights = SymbolModel("geometric", -2, 3, (0, 2**14)).weights()
    assert weights.tolist() == [2**28, 2**30, 16 * 2**22, 2**30, 2**28, 2**26]


def test_gaussian_weights_fall_by_the_square():
    weights = SymbolModel("gaussian", 1, 4, (0, 2**15)).weights()
    assert weights.tolist() == [2**30, 2**27, 2**22, 2**15]  # 2^-(k^2 - 1)


def drawn(kind, count, scale, seed=0):
    generator = np.random.default_rng(seed)
    values = {
        "normal": lambda: generator.normal(0, scale, count),
        "laplace": lambda: generator.laplace(0, scale, count),
        "uniform": lambda: generator.uniform(-scale, scale, count),
        "pruned": lambda: generator.normal(0, scale, count) * (generator.random(count) < 0.3),
        "shifted": lambda: generator.normal(3 * scale, scale, count),
    }[kind]()
    return np.rint(values).astype(np.int32)


@pytest.mark.parametrize("scale", [0.6, 1, 3, 20, 300])
@pytest.mark.parametrize("kind", ["normal", "laplace", "uniform", "pruned", "shifted"])
def test_estimated_bits_are_those_of_the_stream(kind, scale):
    symbols = drawn(kind, 20_000, scale)
    model = fit(symbols)
    counts = np.bincount(symbols - model.least, minlength=model.size)
    estimated = model.bits(counts) - 8 * BYTES_A_NUMBER * len(model.parameters)
    assert 8 * len(encode_ranges([(symbols, model)])) == pytest.approx(estimated, rel=2e-3, abs=80)


@pytest.mark.parametrize("scale", [0.4, 1, 3, 20])
@pytest.mark.parametrize("kind", ["normal", "laplace", "uniform", "pruned"])
def test_symbols_cost_little_more_than_their_entropy(kind, scale):
    symbols = drawn(kind, 20_000, scale)
    shares = np.unique(symbols, return_counts=True)[1] / len(symbols)
    entropy = -(shares * np.log2(shares)).sum() * len(symbols)
    model = fit(symbols)
    counts = np.bincount(symbols - model.least, minlength=model.size)
    assert model.bits(counts) <= 1.02 * entropy + 200


def test_tables_are_no_longer_than_a_header_may_hold():
    symbols = drawn("uniform", 10**6, 400)
    assert fit(symbols).kind != "table"
    assert fit(symbols).size > MOST_LISTED


@given(
    st.lists(
        st.lists(st.integers(-9, 9), min_size=1, max_size=60)
        | st.lists(st.integers(-MOST_SYMBOL, MOST_SYMBOL), min_size=1, max_size=20)
        | st.integers(-MOST_SYMBOL, MOST_SYMBOL).map(lambda number: [number]),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=60)
def test_symbols_of_many_tensors_come_back_from_one_stream(tensors):
    parts = [(np.array(x, np.int32), fit(np.array(x, np.int32))) for x in tensors]
    coded = [(x, model) for x, model in parts if model.kind != "constant"]
    reader = RangeReader(encode_ranges(coded))
    assert all(np.array_equal(reader.read(model, len(x)), x) for x, model in coded)
    reader.check_end()
    constants = [x for x, model in parts if model.kind == "constant"]
    assert all(len(set(x.tolist())) == 1 for x in constants)
