"""Write a run's finished trials as a table, on which searches can be replayed in seconds.

python -m study.record runs/quick-grid-001
python -m study.record runs/quick-grid-001 --out table.json.gz --score-rungs
"""

from pathlib import Path

from diffusion.files import check_out
from study.cli import parser as cli
from study.cli.paths import folder


def build_parser() -> cli.Parser:
    """Describe the command line."""
    parser = cli.Parser(prog="python -m study.record", description=__doc__)
    add = parser.add_argument
    add("run", type=folder, help="a run's folder; it may still be running")
    add(
        "--out", type=Path, metavar="FILE", help="a .json or .json.gz (default: RUN/table.json.gz)"
    )
    add(
        "--score-rungs",
        action="store_true",
        help="score the kept snapshots of every training, where that was not done on the way",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    given = build_parser().parse_args(arguments)
    out = given.out or given.run / "table.json.gz"
    check_out(out, (".json", ".json.gz"))
    from study.evaluation.replay_table import make_table, write_table
    from study.results.words import counted

    table = make_table(given.run, score_rungs=given.score_rungs)
    write_table(table, out)
    trials, trainings = len(table["trials"]), len(table["backbones"])
    print(f"{counted(trials, 'trial')} of {counted(trainings, 'training')}: {out}")
    return 0


if __name__ == "__main__":
    cli.run_command(main)
