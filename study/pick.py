"""Pick one model of a run, or look at a front of its finished trials within other limits.

python -m study.pick runs/quick-001                         the one to begin with
python -m study.pick runs/quick-001 --max-fid 15            the smallest with a FID of at most 15
python -m study.pick runs/quick-001 --max-bytes 100k        the best of at most 100 kB
python -m study.pick runs/quick-001 --min label_agreement=0.95 --json
python -m study.pick runs/quick-001 --max latency_ms=5 --front --out front.csv
"""

import json
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from study.cli import parser as cli
from study.cli.paths import folder
from study.results.objectives import OBJECTIVES

if TYPE_CHECKING:
    from study.results.pick import Wish


def build_parser() -> cli.Parser:
    """Describe the command line."""
    parser = cli.Parser(prog="python -m study.pick", description=__doc__)
    add = parser.add_argument
    add("run", type=folder, help="a run's folder; it may still be running")
    add("--max-fid", type=cli.amount, metavar="FID", help="the smallest model of at most this FID")
    add(
        "--max-bytes",
        type=cli.size,
        metavar="BYTES",
        help="the best model of at most so many bytes, like 100KB (with both, as with neither: "
        "the smallest whose FID reaches the lowest one's within its 95 %% interval)",
    )
    for word in ("max", "min"):
        add(
            f"--{word}",
            action="append",
            type=cli.limit,
            default=[],
            metavar="SCORE=VALUE",
            help=f"only models whose score is at {'most' if word == 'max' else 'least'} this, "
            "whatever the study's limits; again for more",
        )
    add(
        "--objective",
        action="append",
        help=f"of the front, in place of the study's; again for more: {', '.join(OBJECTIVES)}",
    )
    add("--front", action="store_true", help="print the whole front that is left, not one model")
    add("--json", action="store_true", help="print every figure, for programs to read")
    add(
        "--out",
        type=Path,
        metavar="FILE",
        help="also write that front there, as .csv, .json or .parquet",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    given = build_parser().parse_args(arguments)
    # What reads a run takes seconds to import: only once the options are in order.
    from diffusion.files import check_out, whole_path
    from study.display.front_folder import TABLE_SUFFIXES
    from study.display.picked import picked_json, print_picked, write_table
    from study.run.run import Run
    from study.verification.picked import picked

    if given.out is not None:
        check_out(given.out, TABLE_SUFFIXES)
    seen, row = picked(Run.read(whole_path(given.run)), _wish(given))
    if given.out is not None:
        write_table(seen, given.out)
    if given.json:
        print(json.dumps(picked_json(seen, row, whole=given.front), indent=2))
    else:
        print_picked(seen, row, whole=given.front)
    return 0


def _wish(given: Namespace) -> "Wish":
    """Return what a command line asks for."""
    from study.results.filters import Filter, bounds
    from study.results.pick import Wish

    aims = None if given.objective is None else tuple(given.objective)
    chosen = Filter(aims, bounds("--max", given.max), bounds("--min", given.min))
    return Wish(given.max_fid, given.max_bytes, chosen)


if __name__ == "__main__":
    cli.run_command(main)
