"""Say how a run stands, from any terminal, whether its driver is at work or gone.

python -m study.status runs/quick-001
python -m study.status runs/quick-001 --address auto      and the nodes of its cluster
"""

from study.cli import parser as cli
from study.cli.paths import folder


def build_parser() -> cli.Parser:
    """Describe the command line."""
    parser = cli.Parser(prog="python -m study.status", description=__doc__)
    add = parser.add_argument
    add("run", type=folder, help="a run's folder")
    add("--address", help="show the nodes of this Ray cluster, too, like auto")
    add("--insecure", action="store_true", help=cli.INSECURE_HELP)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    given = build_parser().parse_args(arguments)
    from study.commands.status import show_status

    show_status(given)
    return 0


if __name__ == "__main__":
    cli.run_command(main)
