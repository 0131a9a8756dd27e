"""Search for the Pareto front of small diffusion models of a data set.

python -m study.search                               the quick space on embedded digits
python -m study.search --dataset folder:PATH --time-budget 2h --max size_bytes=100k
python -m study.search --resume runs/quick-001       go on after Ctrl-C or a crash
python -m study.search --space compress --store DIR  compress stored backbones, train none
python -m study.search --dry-run > study.toml        write the study down instead, and later
python -m study.search --config study.toml           begin it
"""

from typing import TYPE_CHECKING

from study.cli import config_file, search_options
from study.cli import parser as cli
from study.cli.callable_module import make_callable

if TYPE_CHECKING:
    from study.evaluation.context import Evaluate
    from study.verification.tasks import Rescore, RescoreLatency


def build_parser() -> cli.Parser:
    """Describe the command line."""
    return search_options.build_parser(__doc__)


def main(
    arguments: list[str] | None = None,
    evaluate: "Evaluate | None" = None,
    rescore: "Rescore | None" = None,
    rescore_latency: "RescoreLatency | None" = None,
) -> int:
    """Run the command; what it does to trials may be another in tests."""
    given = config_file.parse(build_parser(), arguments)
    # What works takes seconds to import: only once the options are in order.
    from study import trial
    from study.commands.search import search
    from study.verification.tasks import Work

    return search(given, Work.of(evaluate or trial.evaluate, rescore, rescore_latency))[1]


make_callable(__name__)
if __name__ == "__main__":
    cli.run_command(main)
