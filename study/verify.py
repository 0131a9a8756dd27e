"""Score the models at a run's front again, with many images and several seeds.

python -m study.verify runs/quick-001                     3 x 10,000 images, then the front anew
python -m study.verify runs/quick-001 --images 50000 --seeds 5
python -m study.verify runs/quick-001 --replicates 2      also train the front again, twice
python -m study.verify runs/quick-001 --all               every finished trial, not the near ones
"""

from pathlib import Path
from typing import TYPE_CHECKING

from study.cli import parser as cli
from study.cli.paths import folder
from study.verification.point import DEFAULT_IMAGES, FEWEST_SEEDS

if TYPE_CHECKING:
    from study.evaluation.context import Evaluate
    from study.verification.tasks import Rescore, RescoreLatency


def build_parser() -> cli.Parser:
    """Describe the command line."""
    parser = cli.Parser(prog="python -m study.verify", description=__doc__)
    parser.add_argument("run", type=folder, help="a run's folder")
    add = parser.add_argument_group("what is scored").add_argument
    add(
        "--images",
        type=cli.count(cli.MOST_IMAGES),
        metavar="N",
        default=DEFAULT_IMAGES,
        help=f"drawn for each seed (default {DEFAULT_IMAGES:,})",
    )
    add(
        "--seeds",
        type=cli.count(cli.MOST_SEEDS),
        metavar="N",
        default=FEWEST_SEEDS,
        help=f"of the noise, at least {FEWEST_SEEDS} (default {FEWEST_SEEDS})",
    )
    add("--all", action="store_true", help="every finished trial, not those near the front")
    add(
        "--replicates",
        type=cli.count(cli.MOST_TRAININGS),
        metavar="N",
        help="train the front so many times again",
    )
    add("--time-budget", type=cli.seconds, metavar="TIME", help="like 30m: start nothing later")
    add(
        "--data-dir", type=Path, metavar="DIR", help="of downloaded data sets (default: the run's)"
    )
    _add_machine(parser)
    return parser


def _add_machine(parser: cli.Parser) -> None:
    add = parser.add_argument_group("what it runs on").add_argument
    add(
        "--concurrent-trials",
        type=cli.count(cli.MOST_AT_ONCE),
        metavar="N",
        help="at once (default: what fits)",
    )
    add(
        "--address",
        help="join this Ray cluster, like auto, or local for this machine alone (default: the "
        "run's)",
    )
    add("--insecure", action="store_true", help=cli.INSECURE_HELP)


def main(
    arguments: list[str] | None = None,
    rescore: "Rescore | None" = None,
    rescore_latency: "RescoreLatency | None" = None,
    evaluate: "Evaluate | None" = None,
) -> int:
    """Run the command; what it does to trials may be another in tests."""
    given = build_parser().parse_args(arguments)
    # What works takes seconds to import: only once the options are in order.
    from study import trial
    from study.commands.verify import verify
    from study.verification.tasks import Work

    return verify(given, Work.of(evaluate or trial.evaluate, rescore, rescore_latency))


if __name__ == "__main__":
    cli.run_command(main)
