"""Errors: whatever they quote, they are one line that a terminal can show."""

from hypothesis import given
from hypothesis import strategies as st

from diffusion.errors import LONGEST_LINE, about_path, one_line

# Also halves of pairs, as Python reads names that are no UTF-8.
TEXTS = st.text(st.characters(codec=None, exclude_categories=[]), max_size=2_000)


@given(TEXTS, st.integers(10, 400))
def test_a_line_is_printable_and_no_longer_than_asked(text, longest):
    line = one_line(text, longest)
    assert len(line) <= longest
    assert line.isprintable()
    line.encode()


@given(st.text(st.characters(categories=["L", "N"]), max_size=LONGEST_LINE))
def test_a_short_line_stays_as_it_is(text):
    assert one_line(text) == text


def test_both_ends_of_a_long_line_are_kept():
    line = one_line("a" * 500 + "z" * 500)
    assert line == "a" * 148 + "..." + "z" * 149
    assert one_line("ab\r\n  cd\x1b\n") == "ab cd\\x1b"


@given(TEXTS, TEXTS)
def test_what_is_said_about_a_path_is_one_line(path, reason):
    line = about_path("package", path, reason)
    assert len(line) <= LONGEST_LINE
    assert line.isprintable()
    assert line.startswith("package ")


def test_a_path_gives_way_to_the_reason():
    assert about_path("image", "/a/b.png", "is red") == "image /a/b.png is red"
    line = about_path("image", "/a" * 500 + "/b.png", "is red")
    assert len(line) == 300
    assert line.startswith("image /a/a")
    assert line.endswith("a/b.png is red")
