"""What a run leaves to look at: one HTML page."""

import base64
import html
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from study.display.cells import COLUMNS, TEXTS, front_cells, scale
from study.results.limits import OVER_A_LIMIT
from study.results.objectives import aims
from study.results.records import TrialRecord
from study.results.rows import FrontRow
from study.results.words import format_bytes, name_recipe
from study.run.run import Run

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 } .wide { overflow-x: auto }
th, td { border-bottom: 1px solid #ddd; padding: .3rem .6rem; text-align: left }
td.number { text-align: right; font-variant-numeric: tabular-nums }
img { max-width: 100%; image-rendering: pixelated } figure { display: inline-block; margin: .5rem }
figcaption { color: #555; font-size: .9em }
"""
SHOWN = ("fid", "fid_held_out", "size_bytes", "label_agreement")  # objectives in COLUMNS
LEFT_OUT = ("stopped early", OVER_A_LIMIT, "failed")
LEFT_OUT_COLUMNS = ("trial", "model", "why", "trained on", "size", "FID")
# No trial runs any more when a report is written.
OUTCOMES = {"running": "begun, for a resume to finish", "infeasible": "refused"}


def write_report(run: Run, rows: Sequence[FrontRow]) -> None:
    """Write report.html, which needs no other file, aside and then renamed.

    Args:
        run: whose front has these rows.
    """
    settings, name = run.settings, run.folder.name
    outcomes = [record.outcome for record in run.records if record.state != "waiting"]
    counts = Counter(OUTCOMES.get(outcome, outcome) for outcome in outcomes)
    trials = ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "none"
    parts = [
        f"<h1>{html.escape(name)}</h1>",
        f"<p>Space {html.escape(settings.space)}, data {html.escape(settings.dataset)}, "
        f"seed {settings.seed}; {_aims(run)}; trials: {trials}; torch threads a trial: "
        f"{settings.threads}, on {settings.device}.</p>",
    ]
    if rows:
        front_png = run.folder / "front" / "front.png"
        parts += [
            _picture(front_png, "Every trial; the line is the front."),
            _front(run, rows),
        ]
        parts.append(f"<p>{html.escape(scale(rows))}</p><h2>Samples</h2>")
        for row in rows:
            samples = (run.folder / row["package_path"]).parent / "samples.png"
            parts.append(_picture(samples, " | ".join(front_cells(row)[:7])))
    parts += _left_out(run.records)
    body = "\n".join(parts)
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{html.escape(name)}</title><style>{STYLE}</style>\n{body}\n</html>\n"
    )
    aside = run.folder / ".report.html"
    aside.write_text(page)
    aside.replace(run.folder / "report.html")


def _picture(path: Path, caption: str) -> str:
    if not path.exists():
        return ""
    data = base64.b64encode(path.read_bytes()).decode()
    text = html.escape(caption)
    return (
        f'<figure><img alt="{text}" src="data:image/png;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def _aims(run: Run) -> str:
    limits = [f"{name} at most {most:,.10g}" for name, most in run.limits.items()]
    return "; ".join([aims(run.objectives), *limits])


def _front(run: Run, rows: Sequence[FrontRow]) -> str:
    """Return the front as a table, with a column for each objective that no other one shows."""
    others = [name for name in run.objectives if name not in SHOWN]
    cells = [(*front_cells(row), *(f"{row[name]:,.6g}" for name in others)) for row in rows]
    return _table((*COLUMNS, *others), cells)


def _left_out(records: Sequence[TrialRecord]) -> list[str]:
    """Return a table of the trials that cannot be on the front, with what is known of each."""
    left_out = [r for r in records if r.outcome in LEFT_OUT and r.recipe is not None]
    if not left_out:
        return []
    note = "Of what was stopped early: the uncompressed model where it was last judged."
    return [
        f"<h2>Not on the front</h2><p>{note}</p>",
        _table(LEFT_OUT_COLUMNS, [_left_out_cells(record) for record in left_out]),
    ]


def _left_out_cells(record: TrialRecord) -> tuple[str, ...]:
    rung = max(record.rungs, default=0)
    known = record.scores or {"train_images": rung or None, **record.rungs.get(rung, {})}
    images, size, fid = (known.get(name) for name in ("train_images", "size_bytes", "fid"))
    return (
        str(record.number),
        "" if record.recipe is None else name_recipe(record.recipe),
        record.reason or record.outcome,
        "-" if images is None else f"{images:,}",
        "-" if size is None else format_bytes(size),
        "-" if fid is None else f"{fid:.1f}",
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    lines = []
    for row in rows:
        line = "".join(
            f'<td class="number">{html.escape(cell)}</td>'
            if column not in TEXTS
            else f"<td>{html.escape(cell)}</td>"
            for column, cell in zip(columns, row, strict=True)
        )
        lines.append(f"<tr>{line}</tr>")
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(lines)}</table></div>'
