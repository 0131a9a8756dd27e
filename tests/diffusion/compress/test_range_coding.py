"""Range coding: what is wrong in a stream is an error of ours, and none of the library's."""

import random

import numpy as np
import pytest

from diffusion.compress.range_coding import RangeReader, encode_ranges
from diffusion.compress.symbols import SymbolModel, fit

SYMBOLS = np.random.default_rng(0).normal(0, 2, 500).round().astype(np.int32)
MODEL = fit(SYMBOLS)
# Shares so unlike that a stream of other models is invalid for it.
STEEP = SymbolModel("table", 0, 1, (255, 0))


def test_nothing_takes_no_words():
    assert encode_ranges([]) == b""


def test_an_unlikely_symbol_costs_no_more_than_three_bytes():
    symbols = np.full(1_000, 32_000, np.int32)
    model = SymbolModel("geometric", 0, 32_000, (255, 1))
    assert len(encode_ranges([(symbols, model)])) <= 3 * len(symbols) + 8


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_parts_of_words_are_refused(number):
    with pytest.raises(ValueError, match="whole words"):
        RangeReader(encode_ranges([(SYMBOLS, MODEL)])[:-number] + bytes(number % 4 == 0))


def test_words_that_no_symbol_needs_are_refused():
    reader = RangeReader(encode_ranges([(SYMBOLS, MODEL)]) + bytes(8))
    reader.read(MODEL, len(SYMBOLS))
    with pytest.raises(ValueError, match="longer than its tensors"):
        reader.check_end()


def test_random_words_are_refused_or_read_within_the_bounds():
    draw, refused = random.Random(0), 0
    for _ in range(300):
        words = draw.choice([draw.randbytes, lambda n: b"\xff" * n, bytes])(4 * draw.randrange(30))
        model = draw.choice([MODEL, STEEP])
        reader = RangeReader(words)
        try:
            found = reader.read(model, draw.randrange(400))
            reader.check_end()
        except ValueError:
            refused += 1
        else:
            assert ((found >= model.least) & (found <= model.most)).all()
    assert 100 < refused < 300
