"""What is put into a page as it is: data as JSON, and scripts and styles."""

import json
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from markupsafe import Markup

# Plotly draws: it is read from its package without an import of that, which takes a second.
PLOTLY = "plotly/package_data/plotly.min.js"
FOLDER = "templates/report"
SCRIPTS = (
    *("base", "format", "state", "trials", "plotting", "front", "axes", "pointing", "picker"),
    *("cards", "charts", "table", "live", "main"),
)
# No text among the data can end the element that holds them, or begin a comment in it.
ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def embedded_json(values: Any) -> Markup:
    """Return values as JSON for a script element; NaN and infinity are refused."""
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    for letter, escape in ESCAPES.items():
        text = text.replace(letter, escape)
    return Markup(text)


@cache
def plotly_script() -> Markup:
    """Return Plotly's script.

    Raises:
        ValueError: its package lacks it.
    """
    path = Path(str(metadata.distribution("plotly").locate_file(PLOTLY)))
    try:
        return _script(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(
            f"plotly lacks its script: {error}; allowed: its whole package"
        ) from error


@cache
def own_script() -> Markup:
    """Return the report's own script: its parts, one after the other."""
    return _script("\n".join(_own(f"{name}.js") for name in SCRIPTS))


@cache
def own_style() -> Markup:
    """Return the report's style."""
    return Markup(_own("report.css"))


def _own(name: str) -> str:
    return resources.files("study.display").joinpath(FOLDER, name).read_text(encoding="utf-8")


def _script(text: str) -> Markup:
    if "</script" in text.lower():
        raise ValueError("a script holds the end of its element; allowed: one that does not")
    return Markup(text)
