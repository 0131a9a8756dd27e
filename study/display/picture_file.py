"""Pictures as files: of pixels for screens, of lines and letters for papers.

A figure gives the same bytes whenever it is written: no file holds a date or a random name. Fonts
are embedded: whole in a PDF, as the outlines of letters in an SVG.
"""

import io
from typing import Any

import matplotlib
from matplotlib.figure import Figure

SETTINGS: Any = {"pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "paretodiff"}
DATES = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


def picture_bytes(figure: Figure, suffix: str) -> bytes:
    """Return a figure as the content of a file.

    Args:
        figure: drawn.
        suffix: of the file: .png, .svg or .pdf.
    """
    content = io.BytesIO()
    with matplotlib.rc_context(SETTINGS):
        figure.savefig(content, format=suffix.removeprefix("."), metadata=DATES.get(suffix))
    return content.getvalue()
