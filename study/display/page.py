"""What a run leaves to look at: one HTML page, drawn in the browser from the data in it."""

from collections.abc import Sequence
from pathlib import Path

from diffusion.files import write_bytes
from study.display.render import render_html
from study.display.report.content import content_of
from study.display.report.embedding import embedded_json, own_script, own_style, plotly_script
from study.results.rows import FrontRow
from study.run.folder import REPORT_NAME
from study.run.run import Run


def write_report(
    run: Run,
    rows: Sequence[FrontRow],
    path: Path | None = None,
    *,
    is_live: bool = False,
    fault: str = "",
) -> None:
    """Write report.html, which needs no other file and no network, aside and then renamed.

    What cannot be shown, such as a picture that is no picture, is said in the page.

    Args:
        run: whose front has these rows.
        rows: of the front, as it is written in the run's folder, unless there is a fault.
        path: of another file to write; None for the run's own.
        is_live: whether the study is running, so that the page is written again.
        fault: what is damaged or missing of the run, said above all else.
    """
    content = content_of(run, rows, is_live=is_live, is_written=not fault)
    page = render_html(
        "report.html.j2",
        name=run.folder.name,
        style=own_style(),
        plotly=plotly_script(),
        script=own_script(),
        data=embedded_json(content),
        fault=fault,
    )
    write_bytes(path or run.folder / REPORT_NAME, page.encode())
