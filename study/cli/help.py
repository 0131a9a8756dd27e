"""Help that fits a screen: options in groups, the rarer ones by --help-all, and examples."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from diffusion.errors import did_you_mean, one_line
from study.display.commands import as_started

HELP_ALL = "--help-all"
MOST_COLUMNS, OPTION_COLUMNS = 100, 26
SHOWN_LENGTH = 60  # of an argument that is refused


class _HelpAll(argparse.Action):
    """Prints the help with the groups that --help leaves out."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        assert isinstance(parser, GroupedParser)
        sys.stdout.write(parser.whole_help())
        parser.exit()


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        columns = min(shutil.get_terminal_size().columns, MOST_COLUMNS)
        super().__init__(prog, max_help_position=OPTION_COLUMNS, width=columns - 2)


class GroupedParser(argparse.ArgumentParser):
    """An argument parser with short help.

    The first line of its description says what the command does; those below it are examples.
    """

    def __init__(self, *, prog: str, description: str = "", **named: Any) -> None:
        """Make a parser.

        Args:
            prog: like `python -m study.search`; what is printed says how the process was started.
            description: like a command's docstring.
            named: further arguments of `argparse.ArgumentParser`.
        """
        summary, _, examples = description.strip().partition("\n")
        if examples := examples.strip("\n"):
            lines = as_started(examples).splitlines()
            examples = "\n".join(["examples:", *(f"  {line}".rstrip() for line in lines)])
        super().__init__(
            prog=as_started(prog),
            description=summary,
            epilog=examples or None,
            formatter_class=_Formatter,
            **named,
        )
        self._further: list[str] = []

    def further_group(self, title: str) -> argparse._ArgumentGroup:
        """Add a group of options that --help names and --help-all shows."""
        if not self._further:
            self.add_argument(
                HELP_ALL, action=_HelpAll, nargs=0, help="show the rarer options, too"
            )
        self._further.append(title)
        return self.add_argument_group(title)

    def format_help(self) -> str:
        """Return the help without the rarer options."""
        return self._help([group for group in self._groups() if not self._is_further(group)])

    def whole_help(self) -> str:
        """Return the help with every option."""
        return self._help(self._groups())

    def format_usage(self) -> str:
        """Return the line of usage, without the options' names."""
        formatter = self._get_formatter()
        formatter.add_usage(self._usage(), [], [])
        return formatter.format_help()

    def options(self) -> list[str]:
        """Return every option's name."""
        return list(self._option_string_actions)

    def action(self, option: str) -> argparse.Action:
        """Return what an option does, by its name."""
        return self._option_string_actions[option]

    def parse_args(  # type: ignore[override]  # of argparse's signatures the one that is used
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Parse arguments; where one is unknown, the error names what may be meant."""
        given, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(self._unknown(unknown[0]))
        return given

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse what is none of an argument's choices, in the words of all our refusals."""
        if action.choices is not None and value not in action.choices:
            choices = list(map(str, action.choices))
            shown = repr(one_line(str(value), SHOWN_LENGTH))
            hint = did_you_mean(str(value), choices)
            raise argparse.ArgumentError(action, f"{shown}{hint}; allowed: {', '.join(choices)}")

    def _help(self, groups: Sequence[argparse._ArgumentGroup]) -> str:
        formatter = self._get_formatter()
        formatter.add_usage(self._usage(), [], [])
        formatter.add_text(self.description)
        for group in groups:
            formatter.start_section(group.title)
            formatter.add_text(group.description)
            formatter.add_arguments(group._group_actions)
            formatter.end_section()
        if len(groups) < len(self._action_groups):
            formatter.add_text(f"{HELP_ALL} also shows: {'; '.join(self._further)}")
        formatter.add_text(self.epilog)
        return formatter.format_help()

    def _groups(self) -> list[argparse._ArgumentGroup]:
        """Return the groups, those of every command last."""
        last = self._optionals
        return [*(group for group in self._action_groups if group is not last), last]

    def _usage(self) -> str:
        named = [
            str(action.metavar or action.dest.upper()) for action in self._get_positional_actions()
        ]
        return " ".join(["%(prog)s", *named, "[options]"])

    def _is_further(self, group: argparse._ArgumentGroup) -> bool:
        return group.title in self._further

    def _unknown(self, argument: str) -> str:
        name = argument.partition("=")[0]
        if not name.startswith("-"):
            shown = one_line(argument, SHOWN_LENGTH)
            return f"argument {shown!r} is one too many; {self.prog} --help shows what is allowed"
        hint = did_you_mean(name, self.options())
        return f"unknown option {one_line(name, SHOWN_LENGTH)}{hint}; allowed: see --help"
