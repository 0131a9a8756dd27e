"""Runs and models as a notebook shows them; every text in them is escaped."""

import base64
from collections import Counter

from study.display.cells import COLUMNS, TEXTS, front_cells, scale
from study.display.own_files import MAX_PICTURE_BYTES, read_own
from study.display.point_facts import Facts
from study.display.render import render_html
from study.results.front import why_no_front
from study.results.objectives import aims
from study.run.run import Run


def run_html(run: Run) -> str:
    """Return a run as HTML: what it aims at, how its trials ended, and its front."""
    from study.display.plot import plot_front  # whose matplotlib takes a second to import

    rows = run.rows()
    return render_html(
        "notebook_run.html.j2",
        name=run.folder.name,
        settings=run.settings,
        aims=aims(run.objectives),
        outcomes=Counter(r.outcome for r in run.records if r.state != "waiting"),
        columns=COLUMNS,
        texts=TEXTS,
        points=[front_cells(row) for row in rows],
        picture=encoded(plot_front(run, rows)) if rows else None,
        note=scale(rows) if rows else why_no_front(run.records),
    )


def point_html(heading: str, facts: Facts, picture: bytes | None) -> str:
    """Return a model as HTML: its samples and what there is to say of it.

    Args:
        heading: what it is.
        facts: by short headings.
        picture: a PNG; None where there is none.
    """
    shown = None if picture is None else encoded(picture)
    return render_html("notebook_point.html.j2", heading=heading, facts=facts, picture=shown)


def sample_picture(run: Run, number: int) -> bytes | None:
    """Return the PNG of a trial's samples; None where it left none.

    Raises:
        ValueError: it is a link, too large, or no file.
    """
    path = run.folder / "trials" / str(number) / "samples.png"
    return read_own(run.folder, path, MAX_PICTURE_BYTES)


def encoded(picture: bytes) -> str:
    """Return a picture as it stands in the address of an image."""
    return base64.b64encode(picture).decode()
