"""Templates of what a run leaves to read; whatever is put into one is escaped for its format."""

import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_SHARED: dict[str, Any] = {
    "loader": PackageLoader("study.display"),
    "undefined": StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
}


def markdown_text(value: Any) -> str:
    """Write a value so that Markdown shows it as it is, in a cell of a table too: on one line."""
    return re.sub(r"([\\|<])", r"\\\1", " ".join(str(value).split()))


_HTML = Environment(autoescape=True, **_SHARED)
_MARKDOWN = Environment(finalize=markdown_text, autoescape=False, **_SHARED)


def render_html(template: str, **values: Any) -> str:
    """Fill an HTML template; a value that it lacks raises, and every other one is escaped."""
    return _HTML.get_template(template).render(values)


def render_markdown(template: str, **values: Any) -> str:
    """Fill a Markdown template; a value that it lacks raises, and every other one is escaped."""
    return _MARKDOWN.get_template(template).render(values)
