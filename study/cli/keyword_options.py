"""A command's options as Python's keyword arguments, checked as its command line is."""

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

import numpy as np

from study.cli import parser as cli

PathLike = str | os.PathLike[str]
NO_KEYWORDS = {"help", "help_all", "debug", "dry_run", "config"}  # they act on a command alone


class SearchOptions(TypedDict, total=False):
    """The options of `python -m study.search`, whose help says what each of them does.

    Amounts are numbers, or texts like "500k"; times are seconds, or texts like "30m".
    """

    space: PathLike
    train_images: int
    backbone: Sequence[str]
    formulation: Literal["edm", "published"]
    row: Sequence[str]
    dataset: str
    data_dir: PathLike
    image_size: int
    download: bool
    extractor: PathLike
    inception_weights: PathLike
    inception_sha256: str
    objective: Sequence[str]
    max: Mapping[str, float | str]
    min: Mapping[str, float | str]
    trials: int
    time_budget: float | str
    train_images_total: float | str
    retries: int
    precision: Literal["auto", "float32", "bf16"]
    no_compile: bool
    no_early_stopping: bool
    no_reuse: bool
    seed: int
    cpus_per_trial: float
    gpus_per_trial: float
    concurrent_trials: int | Literal["auto"]
    address: str
    insecure: bool
    store: PathLike
    out: PathLike
    work_dir: PathLike
    storage: str
    open_report: bool
    log: Sequence[str]
    name: str
    no_verify: bool
    resume: PathLike


def given_by(parser: argparse.ArgumentParser, options: Mapping[str, object]) -> argparse.Namespace:
    """Return what a command line with these options would give.

    Args:
        parser: of the command, all of whose options may be left out.
        options: by the options' names with underscores; None leaves one out.

    Raises:
        ValueError: an option is unknown, or its value is not allowed.
    """
    given = parser.parse_args([])
    actions = {action.dest: action for action in parser._actions}
    known = [name for name in vars(given) if name not in NO_KEYWORDS]
    for name, value in options.items():
        if name not in known:
            raise ValueError(f"option is {name!r}; allowed: {', '.join(known)}")
        if value is not None:
            setattr(given, name, _parsed(actions[name], value))
    return given


def _parsed(action: argparse.Action, value: object) -> Any:
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise ValueError(f"{action.dest} is {value!r}; allowed: True or False")
        return value
    if not isinstance(action, argparse._AppendAction):
        return _parse(action, value)
    if isinstance(value, Mapping):
        value = [f"{name}={_text(action, each)}" for name, each in value.items()]
    listed = [value] if isinstance(value, str) or not isinstance(value, Sequence) else value
    return [_parse(action, each) for each in listed]


def _parse(action: argparse.Action, value: object) -> Any:
    """Read a value as the command line would read its text."""
    text = _text(action, value)
    if action.choices is not None and text not in action.choices:
        raise ValueError(f"{action.dest} is {text!r}; allowed: {', '.join(action.choices)}")
    parse = action.type
    if not callable(parse):
        return text
    try:
        return parse(text)
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"{action.dest} is {error}") from error


def _text(action: argparse.Action, value: object) -> str:
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{action.dest} is {value!r}; allowed: a text or a number")
    number = str(value) if isinstance(value, int) else np.format_float_positional(value, trim="-")
    return f"{number}s" if action.type is cli.seconds else number
