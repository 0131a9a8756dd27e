"""A resolved search as the TOML file that `--config` reads, with what it would do as comments."""

import argparse
import json
from collections.abc import Iterable
from typing import Any

from diffusion.dataset_names import split_size
from diffusion.errors import one_line
from study.cli.config_file import is_list, keys_of
from study.cli.parser import AUTO, Parser
from study.results.limits import most_and_least
from study.run.remote import Remote
from study.run.settings import RunSettings


def config_text(
    parser: Parser, given: argparse.Namespace, settings: RunSettings, comments: Iterable[str]
) -> str:
    """Return a study as TOML.

    Args:
        parser: of the command line.
        given: on it; what it says is written as it is.
        settings: what came of it. A run that is gone on with has them already.
        comments: lines to begin with.
    """
    resolved = {} if given.resume is not None else _resolved(settings)
    lines = [_comment(line) for line in comments]
    for key, action in keys_of(parser).items():
        value = getattr(given, action.dest)
        if value is None:
            value = resolved.get(action.dest)
        if value is not None and value is not False and value not in ([], ()):
            lines.append(f"{key} = {_written(action, value)}")
    return "\n".join(lines) + "\n"


def _comment(line: str) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    return f"# {indent}{one_line(line)}".rstrip()


def _resolved(settings: RunSettings) -> dict[str, Any]:
    """Return what settles a study, by the names of a parsed command line."""
    dataset, image_size = split_size(settings.dataset)
    most, least = most_and_least(settings.limits)
    return {
        "space": settings.space,
        "train_images": settings.train_images,
        "row": settings.rows,
        "backbone": [backbone.key for backbone in settings.backbones],
        "dataset": dataset,
        "image_size": image_size,
        "data_dir": settings.data_dir,
        "objective": settings.objectives,
        "max": most,
        "min": least,
        "trials": settings.trials,
        "time_budget": settings.time_budget_seconds,
        "seed": settings.seed,
        "retries": settings.retries,
        "precision": settings.precision,
        "cpus_per_trial": settings.cpus_per_trial,
        "store": settings.store,
    }


def _written(action: argparse.Action, value: Any) -> str:
    """Return a value of an option as TOML."""
    if is_list(action):
        return f"[{', '.join(_scalar(action, each) for each in value)}]"
    return _scalar(action, value)


def _scalar(action: argparse.Action, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if action.dest == "time_budget":
        return _text(f"{_number(value)}s")
    if action.dest == "concurrent_trials" and value == 0:
        return _text(AUTO)
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, tuple):  # a limit
        return _text(f"{value[0]}={_number(value[1])}")
    return _text(value.url if isinstance(value, Remote) else str(value))


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _text(value: str) -> str:
    """Write a text; JSON escapes the same, but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
