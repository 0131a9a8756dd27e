"""Print a run of a published system's rows: published and measured values side by side.

python -m study.tables runs/system-a-ncsn-001
python -m study.tables runs/system-a-ncsn-001 --format csv --out table.csv
"""

from pathlib import Path

from study.cli import parser as cli
from study.cli.paths import folder


def build_parser() -> cli.Parser:
    """Describe the command line."""
    parser = cli.Parser(prog="python -m study.tables", description=__doc__)
    add = parser.add_argument
    add("run", type=folder, help="a run's folder; it may still be running")
    add("--format", choices=("markdown", "csv"), default="markdown", help="default markdown")
    add("--out", type=Path, metavar="FILE", help="write there instead of printing")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    given = build_parser().parse_args(arguments)
    from study.display.published import as_csv, as_markdown, conditions, table_rows
    from study.run.files import write_text
    from study.run.run import Run

    run = Run.read(given.run)
    rows = table_rows(run)
    text = as_csv(rows) if given.format == "csv" else f"{as_markdown(rows)}\n{conditions(run)}\n"
    if given.out is None:
        print(text, end="")
    else:
        write_text(given.out, text)
    return 0


if __name__ == "__main__":
    cli.run_command(main)
