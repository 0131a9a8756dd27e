"""Runs' folders altered at random: what a crash, another program or a person may make of them."""

import copy
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

WRONG_VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 3, 10**30, 10**400, 1e308, -1.5, 0.5),
    *(float("nan"), float("inf"), "", "text", "2", "[/b]", "a\nb", "\ud800", "x" * 5_000),
    *([], {}, [1, 2], [[[]]], {"a": {"b": [1]}}, [float("nan")], [[1, 3], [2]]),
)


def places(values: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where in a JSON value something can be altered, the whole of it left out."""
    inner = values.items() if isinstance(values, dict) else enumerate(values)
    found = []
    for name, part in inner:
        found.append((*path, name))
        if isinstance(part, dict | list):
            found += places(part, (*path, name))
    return found


def altered(values: Any, draw: random.Random) -> Any:
    """Return a JSON value with one place of it replaced, removed or doubled."""
    values = copy.deepcopy(values)
    *path, name = draw.choice(places(values))
    inner = values
    for step in path:
        inner = inner[step]
    if draw.random() < 0.2:
        del inner[name]
    elif draw.random() < 0.2:
        inner[name] = [inner[name], inner[name]]
    else:
        inner[name] = draw.choice(WRONG_VALUES)
    return values


def alter_json(path: Path, draw: random.Random) -> None:
    """Alter one place of a JSON file."""
    path.write_text(json.dumps(altered(json.loads(path.read_text()), draw)))


def alter_journal(path: Path, draw: random.Random) -> None:
    """Alter one line of a journal, in a place of it or as a whole."""
    lines = path.read_text().splitlines()
    number = draw.randrange(len(lines))
    way = draw.random()
    if way < 0.7:
        lines[number] = json.dumps(altered(json.loads(lines[number]), draw))
    elif way < 0.8:
        del lines[number]
    elif way < 0.9:
        lines.insert(number, lines[draw.randrange(len(lines))])
    else:
        lines[number] = json.dumps(draw.choice(WRONG_VALUES))
    path.write_text("\n".join(lines) + "\n")


def truncate(path: Path, draw: random.Random) -> None:
    """Cut a file off, as when the power fails."""
    path.write_bytes(path.read_bytes()[: draw.randrange(path.stat().st_size)])


def scramble(path: Path, draw: random.Random) -> None:
    """Replace a few of a file's bytes."""
    content = bytearray(path.read_bytes())
    for _ in range(3):
        content[draw.randrange(len(content))] = draw.randrange(256)
    path.write_bytes(content)


def replace(path: Path, draw: random.Random) -> None:
    """Put something in a file's place that is no file of ours."""
    content = path.read_bytes()
    path.unlink()
    ways: tuple[Callable[[], object], ...] = (
        lambda: path.symlink_to("/dev/zero"),
        lambda: path.symlink_to(path),
        lambda: path.symlink_to("missing"),
        lambda: (path.with_name("real").write_bytes(content), path.symlink_to("real")),
        lambda: os.mkfifo(path),
        path.mkdir,
        lambda: path.write_text("[" * 200_000),
        lambda: path.write_text("[" * 900 + "]" * 900),
        lambda: path.write_bytes(b""),
        lambda: None,
    )
    draw.choice(ways)()


def alter(run_dir: Path, draw: random.Random) -> tuple[str, str]:
    """Alter one of a run's files in one way; return the way's name and the file's."""
    names = ("run.json", "verified.json", "study.journal", "trials/0/recipe.json")
    name = draw.choices(names, weights=(3, 3, 5, 1))[0]
    change = alter_journal if name.endswith("journal") else alter_json
    ways = (change, truncate, scramble, replace)
    way = draw.choices(ways, weights=(7, 1, 1, 1))[0]
    way(run_dir / name, draw)
    return way.__name__, name
