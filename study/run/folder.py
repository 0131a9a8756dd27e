"""A run's folder: its name, its files' names, and its lock."""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import lock_descriptor

from diffusion.files import whole_path
from study.run.database import Database
from study.run.files import check_regular

SETTINGS_NAME = "run.json"
JOURNAL_NAME = "study.journal"
LOCK_NAME = "study.lock"  # of a run whose study is in a database
REPORT_NAME = "report.html"
EXTRACTOR_NAME = "extractor.safetensors"  # the classifier that was trained for a run


def claim_run_dir(out: Path, name: str | None, space: str, taken: Collection[str] = ()) -> Path:
    """Make the folder of a new run, which nobody else then has, and return it, absolute.

    The arguments are as those of `new_run_dir`.

    Raises:
        ValueError: the name is taken or unusable, or nothing can be written there.
    """
    while True:
        run_dir = new_run_dir(out, name, space, taken)
        run_dir.parent.mkdir(parents=True, exist_ok=True)
        try:
            run_dir.mkdir()
        except FileExistsError:  # another process was faster: the next number, or said above
            continue
        return run_dir


def new_run_dir(out: Path, name: str | None, space: str, taken: Collection[str] = ()) -> Path:
    """Return the folder that a new run would have now, absolute; it does not exist yet.

    Args:
        out: folder of runs.
        name: of the run; None for the space's, numbered.
        space: of the run.
        taken: names that it cannot have besides those in the folder.

    Raises:
        ValueError: the name is taken or unusable, or nothing can be written there.
    """
    out = whole_path(out)
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out is {out}, a file; allowed: a folder")
    numbered = name is None
    if name is None:
        entries = (*_entries(out), *taken)
        numbers = [int(m[1]) for entry in entries if (m := re.fullmatch(rf"{space}-(\d+)", entry))]
        name = f"{space}-{max(numbers, default=0) + 1:03d}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(f"--name is {name!r}; allowed: letters, digits, '.', '_' and '-'")
    run_dir = out / name
    if not numbered and os.path.lexists(run_dir):
        raise ValueError(f"--name is {name!r}, but {run_dir} exists; use --resume {run_dir}")
    nearest = next(folder for folder in (out, *out.parents) if folder.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ValueError(f"--out is {out}, but {nearest} cannot be written to")
    return run_dir


@contextmanager
def exclusive(run_dir: Path, database: Database | None = None) -> Iterator[None]:
    """Keep other drivers off a run; the operating system lets go when this process ends.

    Args:
        run_dir: of the run.
        database: that has its study; None for its journal.

    Raises:
        ValueError: another process runs it, it has trials that no journal knows, or what is in
            the place of the journal or the lock is no regular file.
    """
    path = _locked_file(run_dir, database)
    if os.path.lexists(path):
        check_regular(path)
    check_begun(run_dir, database)
    with path.open("ab") as file:
        if not lock_descriptor(file.fileno(), blocking=False):
            raise ValueError(f"run {run_dir} is in use by another process")
        yield


def check_begun(run_dir: Path, database: Database | None = None) -> None:
    """Refuse a run that has trials, but an empty journal; the arguments are those of `exclusive`.

    Raises:
        ValueError: it is one.
    """
    path = _locked_file(run_dir, database)
    is_begun = path.exists() and path.stat().st_size > 0
    if database is None and has_trials(run_dir) and not is_begun:
        raise ValueError(
            f"run {run_dir} has trials, but {path} is missing or empty; allowed: the journal "
            "that was written with them"
        )


def is_in_use(run_dir: Path, database: Database | None = None) -> bool:
    """Whether a driver has a run at the moment; the arguments are as those of `exclusive`."""
    path = _locked_file(run_dir, database)
    check_regular(path)
    with path.open("r+b") as file:  # a network's file system locks none that is only read
        return not lock_descriptor(file.fileno(), blocking=False)


def has_trials(run_dir: Path) -> bool:
    """Whether any trial of a run ever began."""
    return bool(_entries(run_dir / "trials"))


def _locked_file(run_dir: Path, database: Database | None) -> Path:
    return run_dir / (JOURNAL_NAME if database is None else LOCK_NAME)


def _entries(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []
