"""Counts as people read them."""

import pytest

from study.results.words import format_bytes, format_count


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (950, "950"),
        (999.6, "1 k"),
        (95_123, "95.1 k"),
        (4e6, "4 M"),
        (4.56e10, "45.6 G"),
    ],
)
def test_counts_are_written_with_three_digits(count: float, text: str) -> None:
    assert format_count(count) == text


def test_a_size_past_a_gigabyte_has_its_unit() -> None:
    assert format_bytes(1_250_000_000) == "1.25 GB"
