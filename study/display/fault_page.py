"""The report of a run that cannot be read: the last one that it had, with that said above it."""

import os
import re
from pathlib import Path

from markupsafe import escape

from diffusion.files import write_bytes
from study.display.own_files import read_own
from study.display.render import render_html
from study.display.report.embedding import own_style
from study.run.folder import JOURNAL_NAME, LOCK_NAME, REPORT_NAME, SETTINGS_NAME

OF_A_RUN = (SETTINGS_NAME, JOURNAL_NAME, LOCK_NAME)
MAX_REPORT_BYTES = 2**26
FAULT = re.compile('<p id="fault".*?</p>\n', re.DOTALL)


def write_fault(folder: Path, fault: str, path: Path | None = None) -> Path | None:
    """Write the report of a run that cannot be read.

    Args:
        folder: of the run.
        fault: why it cannot be read.
        path: of another file to write; None for the run's own.

    Returns:
        The file; None where the folder is no run's, or a page of others is in its place.
    """
    if not any((folder / name).exists() for name in OF_A_RUN):
        return None
    heading, said = f"<h1>{escape(folder.name)}</h1>\n", f"This run cannot be read: {fault}."
    last = _last_report(folder)
    if heading in last:
        said = f"{said} What is shown below was written before."
        element = render_html("fault.html.j2", fault=said)
        page = FAULT.sub("", last).replace(heading, heading + element, 1)
    elif path is None and os.path.lexists(folder / REPORT_NAME):
        return None
    else:
        name, style = folder.name, own_style()
        page = render_html("unreadable.html.j2", name=name, style=style, fault=said)
    path = path or folder / REPORT_NAME
    write_bytes(path, page.encode())
    return path


def _last_report(folder: Path) -> str:
    """Return the page that a run's folder has; an empty one where that cannot be read."""
    try:
        page = read_own(folder, folder / REPORT_NAME, MAX_REPORT_BYTES)
        return "" if page is None else page.decode()
    except ValueError:
        return ""
