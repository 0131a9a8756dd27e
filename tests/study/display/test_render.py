"""Templates escape whatever is put into them, and refuse to leave anything out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from study.display.render import markdown_text, render_html, render_markdown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        (12, "12"),
        ("a | b", r"a \| b"),
        ("a\nb\r\nc", "a b c"),
        ("<script>", r"\<script>"),
        ("a\\|b", r"a\\\|b"),
    ],
)
def test_markdown_shows_a_value_as_it_is(value: object, text: str) -> None:
    assert markdown_text(value) == text


@given(st.text())
def test_no_text_ends_a_cell_or_its_line(text: str) -> None:
    cell = markdown_text(text)
    assert len(cell.splitlines()) <= 1
    assert "|" not in cell.replace("\\\\", "").replace("\\|", "")


def test_a_template_that_lacks_a_value_raises() -> None:
    with pytest.raises(UndefinedError, match="run"):
        render_markdown("card.md.j2", row={"rank": 1})
    with pytest.raises(UndefinedError, match="name"):
        render_html("report.html.j2")
