"""A search's options from a TOML file: keys are the options' names, and the command line wins."""

import argparse
import reprlib
import tomllib
from pathlib import Path
from typing import Any

from diffusion.errors import did_you_mean, one_line
from diffusion.files import read_bounded
from study.cli.parser import Parser
from study.cli.paths import folder, folder_or_url

# Of one command alone; a cluster without a token is agreed to each time.
NEVER = frozenset({"help", "help-all", "debug", "config", "dry-run", "insecure"})
TEXTS = (None, Path, folder, folder_or_url)  # types of options that no number is given to
MAX_FILE_BYTES = 2**20


def parse(parser: Parser, arguments: list[str] | None) -> argparse.Namespace:
    """Parse a command line; what it does not say is as its `--config` has it.

    Raises:
        ValueError: the file cannot be read, or a key or value of it is not allowed.
    """
    given = parser.parse_args(arguments)
    if given.config is not None:
        for name, value in read_config(given.config, parser).items():
            if getattr(given, name) == parser.get_default(name):
                setattr(given, name, value)
    return given


def read_config(path: Path, parser: Parser) -> dict[str, Any]:
    """Return what a file says, by the names that a parsed command line has.

    Raises:
        ValueError: it cannot be read, or a key or value of it is not allowed.
    """
    options, values = keys_of(parser), {}
    for key, value in _read(path).items():
        if key not in options:
            hint, allowed = did_you_mean(key, options), ", ".join(options)
            raise ValueError(one_line(f"{path} has key {key!r}{hint}; allowed: {allowed}"))
        action = options[key]
        try:
            values[action.dest] = _parsed(action, value)
        except ValueError as error:
            raise ValueError(one_line(f"{path}: {key} is {error}")) from error
    return values


def keys_of(parser: Parser) -> dict[str, argparse.Action]:
    """Return the options that a file may set, by their keys, in the order of the help."""
    return {
        key: action
        for option in parser.options()
        if option.startswith("--") and (key := option.removeprefix("--")) not in NEVER
        for action in [parser.action(option)]
    }


def is_list(action: argparse.Action) -> bool:
    """Whether an option is given again for more, so that a file has a list of it."""
    return isinstance(action, argparse._AppendAction)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_bounded(path, MAX_FILE_BYTES).decode())
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ValueError(one_line(f"--config {path} cannot be read: {why}")) from error


def _parsed(action: argparse.Action, value: Any) -> Any:
    """Return a value as the command line would have it."""
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise _refusal(value, "true or false")
        return value
    if not is_list(action):
        return _one(action, value)
    if not isinstance(value, list):
        raise _refusal(value, 'a list, like ["..."]')
    return [_one(action, each) for each in value] or None


def _one(action: argparse.Action, value: Any) -> Any:
    is_text = action.type in TEXTS
    if isinstance(value, bool) or not isinstance(value, str if is_text else str | int | float):
        raise _refusal(value, "a text" if is_text else "a number, or a text as on a command line")
    if action.choices is not None and value not in action.choices:
        raise _refusal(value, ", ".join(map(str, action.choices)))
    if not callable(action.type):
        return value
    try:
        return action.type(str(value))
    except argparse.ArgumentTypeError as error:
        raise ValueError(error) from error


def _refusal(value: object, allowed: str) -> ValueError:
    return ValueError(f"{reprlib.repr(value)}; allowed: {allowed}")
