"""The Python API: runs as tables, the models on their fronts, and searches.

from study import load_run

run = load_run("runs/quick-001")
run.front(max={"size_bytes": 50_000})      # a pandas table
model = run.pick(max_fid=15).load()        # the smallest model with a FID of at most 15
model.generate(20, labels="7", seed=1)     # a notebook shows the images
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Unpack

import pandas as pd

from diffusion.compress.model_path import find_model, indexed_model
from diffusion.files import whole_path
from study.cli.keyword_options import SearchOptions, given_by
from study.cli.parser import INTERRUPTED_STATUS
from study.cli.search_options import build_parser
from study.display.drawing_model import Model as Model
from study.display.notebook import run_html
from study.display.point import Point as Point
from study.display.point_facts import trial_point
from study.results.filters import Filter
from study.results.pick import Wish
from study.results.rows import ROW_COLUMNS, TRIAL_COLUMNS, trial_row
from study.results.words import counted
from study.run.remote import is_url
from study.run.run import Run
from study.verification.picked import picked
from study.verification.shown import shown_run

Bounds = Mapping[str, float]


def load_run(path: str | os.PathLike[str]) -> "LoadedRun":
    """Read a run, also one that is still being written.

    Args:
        path: of its folder.

    Raises:
        ValueError: there is no run of ours, or its files are damaged.
        OSError: the database of its study cannot be reached.
    """
    if is_url(os.fspath(path)):
        raise ValueError(f"run is {os.fspath(path)!r}, a URL; allowed: the folder of a run")
    return LoadedRun(Run.read(whole_path(os.fspath(path))))


def search(**options: Unpack[SearchOptions]) -> "LoadedRun":
    """Search as `python -m study.search` does, and return the run.

    Args:
        options: those of the command, with underscores: `search(trials=12, max={"size_bytes":
            50_000}, time_budget="30m")`. Options that are given again for more take a list.

    Raises:
        ValueError: an option is unknown, or what it asks for is not allowed.
        OSError: a file or a cluster cannot be reached, or the study halted.
        KeyboardInterrupt: it was interrupted; `search(resume=...)` goes on.
    """
    # Ray takes seconds to import, and reading a run needs none of it.
    from study import trial
    from study.commands import search as command
    from study.verification.tasks import Work

    folder, status = command.search(given_by(build_parser(""), options), Work(trial.evaluate))
    if status == INTERRUPTED_STATUS:
        raise KeyboardInterrupt(f"the search in {folder} was interrupted")
    return load_run(folder)


class LoadedRun:
    """A run as it was when it was loaded, with verified figures where there are such."""

    def __init__(self, run: Run) -> None:
        self._read = run
        self._shown = shown_run(run)

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self._read.folder

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of the scores that its study minimises or maximises."""
        return self._read.objectives

    def trials(self) -> pd.DataFrame:
        """Return every trial that has begun, a row each.

        `outcome` and `reason` say how it ended, `on_front` whether no other one beats it; the
        other columns are those of `front`, empty where a trial has no such figure.
        """
        best = {record.number for record in self._shown.front()}
        rows = [
            trial_row(record, on_front=record.number in best)
            for record in self._shown.records
            if record.state != "waiting"
        ]
        return pd.DataFrame(rows, columns=list(dict.fromkeys((*TRIAL_COLUMNS, *ROW_COLUMNS))))

    def front(
        self,
        *,
        max: Bounds | None = None,
        min: Bounds | None = None,
        objectives: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return the finished trials that no other one beats, smallest first.

        Args:
            max: the most that scores may be, like {"size_bytes": 500_000}; each takes the place
                of the study's limit of that score.
            min: the least that scores have to be, like {"label_agreement": 0.9}.
            objectives: of this front, in place of the study's.

        Raises:
            ValueError: there is no such score or objective.
        """
        chosen = _filter(max, min, objectives)
        seen = shown_run(self._read, chosen) if chosen else self._shown
        return pd.DataFrame(seen.rows(), columns=["rank", *ROW_COLUMNS])

    def pick(
        self,
        *,
        max_fid: float | None = None,
        max_bytes: float | None = None,
        max: Bounds | None = None,
        min: Bounds | None = None,
        objectives: Sequence[str] | None = None,
    ) -> "Point":
        """Return one model of the front.

        Args:
            max_fid: alone: the smallest model whose FID is at most this.
            max_bytes: alone: the model with the lowest FID of at most so many bytes. With both,
                or neither: the smallest whose 95 % interval reaches the lowest FID there is.
            max, min, objectives: of the front that it is picked from, as in `front`.

        Raises:
            ValueError: no model is left; the message says how near the finished ones come.
        """
        wish = Wish(max_fid, max_bytes, _filter(max, min, objectives))
        return Point(*picked(self._read, wish))

    def point(self, name: int | str | None = None, *, trial: int | None = None) -> "Point":
        """Return one model by its name.

        Args:
            name: its rank on the front from 1 on, "best" (the lowest FID), "smallest", "pick" (as
                by `pick` without bounds), or as its folder is called, like "05-21".
            trial: in place of a name, the number of a complete trial, on the front or not.

        Raises:
            ValueError: there is none of that name, or not one of the two is given.
        """
        if (name is None) == (trial is None):
            raise ValueError(f"point is {name!r} with trial {trial!r}; allowed: one of the two")
        if trial is not None:
            return Point(self._shown, trial_point(self._shown, trial))
        rows = self._shown.rows()
        models = [indexed_model(row) for row in rows]
        try:
            return Point(self._shown, rows[models.index(find_model(models, str(name)))])
        except ValueError as error:
            raise ValueError(f"point {name!r} {error}") from error

    def __repr__(self) -> str:
        models = counted(len(self._shown.front()), "model")
        return f"LoadedRun({self.folder.name!r}, {models} on the front)"

    def _repr_html_(self) -> str:
        return run_html(self._shown)


def _filter(most: Bounds | None, least: Bounds | None, objectives: Sequence[str] | None) -> Filter:
    aims = None if objectives is None else tuple(objectives)
    return Filter(aims, dict(most or {}), dict(least or {}))
