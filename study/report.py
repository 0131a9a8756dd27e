"""What a run leaves to look at: the front as a printed table and as one HTML page."""

import base64
import html
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, JustifyMethod
from rich.table import Table

from study.front import Row
from study.live import describe
from study.records import OVER_A_LIMIT, TrialRecord, aims, drawn_images
from study.settings import RunSettings
from study.units import format_bytes

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 } .wide { overflow-x: auto }
th, td { border-bottom: 1px solid #ddd; padding: .3rem .6rem; text-align: left }
td.number { text-align: right; font-variant-numeric: tabular-nums }
img { max-width: 100%; image-rendering: pixelated } figure { display: inline-block; margin: .5rem }
figcaption { color: #555; font-size: .9em }
"""
COLUMNS = (
    "point",
    "model",
    "groups",
    "EMA",
    "pruning",
    "quantization",
    "size",
    "FID",
    "95 %",
    "held out",
    "labels",
)
TEXTS = ("point", "model", "groups", "EMA", "pruning", "quantization", "why", "compression")
SHOWN = ("fid", "fid_held_out", "size_bytes", "label_agreement")  # objectives in COLUMNS
LEFT_OUT = ("stopped early", OVER_A_LIMIT, "failed")
LEFT_OUT_COLUMNS = ("trial", "model", "why", "trained on", "size", "FID")
# No trial runs any more when a report is written.
OUTCOMES = {"running": "begun, for a resume to finish", "infeasible": "refused"}


def front_cells(row: Row) -> tuple[str, ...]:
    """Return a front point's cells, one for each of COLUMNS."""
    pruned = row["prune_method"]
    if pruned != "none":
        pruned = f"{pruned} {row['prune_ratio']:.0%} {row['prune_region']}"
    agreement = row["label_agreement"]
    return (
        Path(row["package_path"]).parent.name,
        f"{row['architecture']} {row['widths']}",
        str(row["groups"]),
        row["ema"],
        pruned,
        row["quantization"],
        format_bytes(row["size_bytes"]),
        f"{row['fid']:.1f}",
        f"{row['fid_low']:.1f}-{row['fid_high']:.1f}",
        f"{row['fid_held_out']:.1f}",
        "-" if agreement is None else f"{agreement:.0%}",
    )


def print_front(console: Console, rows: Sequence[Row]) -> None:
    """Print the front, smallest first, and the scale its FIDs are to be read on."""
    if not rows:
        return
    console.print(f"\nThe front: {len(rows)} models, smallest first", highlight=False)
    table = Table(box=None, pad_edge=False)
    # Fits 80 columns; only the compression may wrap.
    # How sure a point is says more than its labels, once that is known.
    last = "labels" if rows[0]["verified_seeds"] is None else "on front"
    for column in ("point", "model", "compression", "size", "FID", "95 %", last):
        justify: JustifyMethod = "left" if column in TEXTS else "right"
        table.add_column(column, justify=justify, no_wrap=column != "compression")
    for row in rows:
        point, model, groups, track, pruned, quantization, *numbers = front_cells(row)
        size, fid, interval, _, labels = numbers
        steps = [f"ema {track}"] + [s for s in (pruned, quantization) if s != "none"]
        sure = labels if last == "labels" else f"{row['front_probability']:.0%}"
        table.add_row(point, f"{model} g{groups}", ", ".join(steps), size, fid, interval, sure)
    console.print(table)
    console.print(scale(rows), soft_wrap=True, highlight=False)


def print_trainings(console: Console, rows: Sequence[Row]) -> None:
    """Print the spread over trainings beside that over samples, where the front was replicated."""
    replicated = [row for row in rows if row["trainings"] is not None]
    if not replicated:
        return
    table = Table(box=None, pad_edge=False)
    for column in ("point", "FID", "deviation over samples", "over trainings", "trainings"):
        table.add_column(column, justify="left" if column == "point" else "right")
    for row in replicated:
        table.add_row(
            Path(row["package_path"]).parent.name,
            f"{row['fid']:.2f}",
            f"{row['fid_samples_deviation']:.2f}",
            f"{row['fid_trainings_deviation']:.2f}",
            str(row["trainings"]),
        )
    console.print(table)


def scale(rows: Sequence[Row]) -> str:
    """Say what the FIDs mean: how many images, and how far from noise."""
    best = min(rows, key=lambda row: row["fid"])
    share = 100 * best["fid"] / best["fid_noise"]
    return (
        f"FID of {drawn_images(best)} against the train split; real images have "
        f"{best['fid_floor']:.2f}, uniform noise {best['fid_noise']:.0f}, the best point "
        f"{share:.2f} % of that"
    )


def write_report(
    run_dir: Path, settings: RunSettings, records: Sequence[TrialRecord], rows: Sequence[Row]
) -> None:
    """Write report.html, which needs no other file, aside and then renamed."""
    counts = Counter(OUTCOMES.get(r.outcome, r.outcome) for r in records if r.state != "waiting")
    trials = ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "none"
    parts = [
        f"<h1>{html.escape(run_dir.name)}</h1>",
        f"<p>Space {html.escape(settings.space)}, data {html.escape(settings.dataset)}, "
        f"seed {settings.seed}; {_aims(settings)}; trials: {trials}; torch threads a trial: "
        f"{settings.threads}, on {settings.device}.</p>",
    ]
    if rows:
        front_png = run_dir / "front" / "front.png"
        parts += [
            _picture(front_png, "Every trial; the line is the front."),
            _front(settings, rows),
        ]
        parts.append(f"<p>{html.escape(scale(rows))}</p><h2>Samples</h2>")
        for row in rows:
            samples = (run_dir / row["package_path"]).parent / "samples.png"
            parts.append(_picture(samples, " | ".join(front_cells(row)[:7])))
    parts += _left_out(records)
    body = "\n".join(parts)
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{html.escape(run_dir.name)}</title><style>{STYLE}</style>\n{body}\n</html>\n"
    )
    aside = run_dir / ".report.html"
    aside.write_text(page)
    aside.replace(run_dir / "report.html")


def _picture(path: Path, caption: str) -> str:
    if not path.exists():
        return ""
    data = base64.b64encode(path.read_bytes()).decode()
    text = html.escape(caption)
    return (
        f'<figure><img alt="{text}" src="data:image/png;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def _aims(settings: RunSettings) -> str:
    limits = [f"{name} at most {most:,.10g}" for name, most in settings.limits.items()]
    return "; ".join([aims(settings.objectives), *limits])


def _front(settings: RunSettings, rows: Sequence[Row]) -> str:
    """Return the front as a table, with a column for each objective that no other one shows."""
    others = [name for name in settings.objectives if name not in SHOWN]
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
        "" if record.recipe is None else describe(record.recipe),
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
