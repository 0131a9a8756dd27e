"""Pareto fronts of small diffusion models: quality against size, every point a file.

paretodiff search --time-budget 30m
paretodiff search --help
paretodiff generate runs/quick-001/front/best -n 64 --out grid.png
eval "$(paretodiff --print-completion bash)"     completes commands and options from then on
"""

import sys
from argparse import ArgumentParser
from typing import NoReturn

from study.cli import parser as cli
from study.cli.commands import COMMANDS, find_command
from study.display.commands import PROGRAM


def build_parser(*, whole: bool = False) -> cli.Parser:
    """Describe the command line.

    Args:
        whole: with each command's own options, whose modules are imported for that.
    """
    from importlib.metadata import version

    from study.cli.completion import SHELLS

    parser = cli.Parser(prog=PROGRAM, description=__doc__)
    parser.add_argument("--print-completion", choices=SHELLS, help="print a shell's completion")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {version(PROGRAM)}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", parser_class=ArgumentParser
    )
    for name, command in COMMANDS.items():
        parents = [command.parser()] if whole else []
        commands.add_parser(name, help=command.summary, parents=parents, add_help=not whole)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command that the first argument names."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and not arguments[0].startswith("-"):
        return find_command(arguments[0]).run(arguments[1:])
    parser = build_parser()
    given = parser.parse_args(arguments)
    if given.command is not None:
        parser.error(
            f"the first argument is {arguments[0]}; allowed: the command, then its options"
        )
    if given.print_completion is None:
        sys.stdout.write(parser.format_help())
        return 0
    from study.cli.completion import completion

    sys.stdout.write(completion(build_parser(whole=True), given.print_completion))
    return 0


def run() -> NoReturn:
    """Run the command that the process's own arguments name, and end it."""
    cli.run_command(main)


if __name__ == "__main__":
    run()
