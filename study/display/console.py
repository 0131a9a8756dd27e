"""The front as printed tables, in which no text is markup."""

from collections.abc import Sequence, Set
from pathlib import Path

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from study.display.cells import TEXTS, front_cells, scale
from study.results.rows import FrontRow
from study.results.words import counted, format_count
from study.run.packages import unchecked, unsound
from study.run.run import Run

COLUMN_OF = {"fid": "FID", "size_bytes": "size", "label_agreement": "labels"}
GAP = 2  # between columns
Columns = dict[str, list[str]]


def print_front(console: Console, rows: Sequence[FrontRow], objectives: Sequence[str]) -> None:
    """Print the front, smallest first, and the scale its FIDs are to be read on.

    Args:
        console: where to print.
        rows: of the front.
        objectives: of its study. Those that have no column get one: in the same table, or where
            that is too narrow in tables of their own.
    """
    if not rows:
        return
    say(console, f"\nThe front: {counted(len(rows), 'model')}, smallest first")
    columns = _front_columns(rows)
    further = {
        name.replace("_", " "): [_cell(row[name]) for row in rows]
        for name in objectives
        if COLUMN_OF.get(name) not in columns
    }
    # Only the compression may always wrap.
    for narrow in (set(further), {"model", *further}):
        if not further or _fits(console, {**columns, **further}, narrow):
            console.print(_table({**columns, **further}, narrow))
            break
    else:
        console.print(_table(columns))
        _print_in_parts(console, columns["point"], further)
    say(console, scale(rows))


def print_trainings(console: Console, rows: Sequence[FrontRow]) -> None:
    """Print the spread over trainings beside that over samples, where the front was replicated.

    Args:
        console: where to print.
        rows: of the front.
    """
    replicated = [row for row in rows if row["trainings"] is not None]
    if not replicated:
        return
    columns = {
        "point": [Path(row["package_path"]).parent.name for row in replicated],
        "FID": [f"{row['fid']:.2f}" for row in replicated],
        "deviation over samples": [f"{row['fid_samples_deviation']:.2f}" for row in replicated],
        "over trainings": [f"{row['fid_trainings_deviation']:.2f}" for row in replicated],
        "trainings": [str(row["trainings"]) for row in replicated],
    }
    console.print(_table(columns))


def print_soundness(console: Console, run: Run) -> None:
    """Say which models are not what was scored, and of how many that is not known."""
    print_unsound(console, run)
    if count := unchecked(run):
        models = counted(count, "model")
        say(console, f"{models} of the front came from a version that kept no hash of them")


def print_unsound(console: Console, run: Run) -> None:
    """Say which models are kept off the front since they are not what was scored."""
    for record in unsound(run):
        say(console, f"trial {record.number} is left out of the front: {record.reason}")


def say(console: Console, text: str) -> None:
    """Print a text as it is: brackets in it are no markup, and it is not cut into lines."""
    console.print(Text(text), soft_wrap=True)


def _front_columns(rows: Sequence[FrontRow]) -> Columns:
    columns: Columns = {}
    for row in rows:
        point, model, groups, track, pruned, quantization, *numbers = front_cells(row)
        size, fid, interval, _, labels = numbers
        steps = [f"ema {track}"] + [
            step.removeprefix("none ") for step in (pruned, quantization) if step != "none"
        ]
        cells = {
            "point": point,
            "model": f"{model} g{groups}",
            "compression": ", ".join(steps),
            "size": size,
            "FID": fid,
            "95 %": interval,
        }
        # How sure a point is says more than its labels, once that is known.
        if rows[0]["verified_seeds"] is None:
            cells["labels"] = labels
        else:
            cells["on front"] = f"{row['front_probability']:.0%}"
        for name, cell in cells.items():
            columns.setdefault(name, []).append(cell)
    return columns


def _cell(value: float | None) -> str:
    """Write an objective's value with four digits at most."""
    if value is None:
        return "-"
    return format_count(value) if isinstance(value, int) else f"{value:.4g}"


def _print_in_parts(console: Console, points: list[str], columns: Columns) -> None:
    """Print columns beside the points' names, in as many tables as they take."""
    part: Columns = {"point": points}
    for name, cells in columns.items():
        if len(part) > 1 and not _fits(console, {**part, name: cells}, {*part, name}):
            console.print(_table(part, set(part)))
            part = {"point": points}
        part[name] = cells
    console.print(_table(part, set(part)))


def _fits(console: Console, columns: Columns, narrow: Set[str]) -> bool:
    widths = [
        _width(name, cells, in_words=name in narrow or name == "compression")
        for name, cells in columns.items()
    ]
    return sum(widths) + GAP * (len(widths) - 1) <= console.width


def _width(name: str, cells: Sequence[str], *, in_words: bool) -> int:
    """Return a column's width: in whole lines, or in words but for the numbers among its cells."""
    lines = [*(name.split() if in_words else [name]), *cells]
    if in_words and name in TEXTS:
        lines = [word for line in lines for word in line.split()]
    return max(map(len, lines))


def _table(columns: Columns, narrow: Set[str] = frozenset()) -> Table:
    """Return a table of texts.

    Args:
        columns: their cells by their headings.
        narrow: headings of the columns that are as wide as their longest word.
    """
    table = Table(box=None, pad_edge=False)
    for name, cells in columns.items():
        justify: JustifyMethod = "left" if name in TEXTS else "right"
        width = _width(name, cells, in_words=True) if name in narrow else None
        wraps = name in narrow or name == "compression"
        table.add_column(Text(name), justify=justify, width=width, no_wrap=not wraps)
    for line in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, line))
    return table
