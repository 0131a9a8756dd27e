"""What a person sees while a study runs: a live table, or plain lines when it is no terminal."""

import platform
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from diffusion.errors import one_line
from diffusion.recipe import Recipe
from study.engine.watcher import Listener
from study.results.limits import OVER_A_LIMIT
from study.results.objectives import DEFAULT_OBJECTIVES, Scores, cost
from study.results.records import TrialRecord
from study.results.words import format_bytes, format_seconds, name_recipe

TITLES = {"fid": "best FID", "size_bytes": "smallest"}  # others: best NAME


@dataclass
class RunningTrial:
    """A trial at work."""

    recipe: Recipe
    start: float
    stage: str = "start"
    share: float | None = None


class LiveView(Listener):
    """Shows a study's progress.

    Args:
        console: where to write.
        trials: how many finished trials end the study.
        records: of the trials that there are already.
        seconds_left: of the time budget, where there is one.
        objectives: names of the scores whose best trials are shown.
    """

    def __init__(
        self,
        console: Console,
        trials: int,
        records: Sequence[TrialRecord] = (),
        seconds_left: float | None = None,
        objectives: tuple[str, ...] = DEFAULT_OBJECTIVES,
    ) -> None:
        self._console = console
        self._trials = trials
        self._finished = sum(record.finished for record in records)
        self._counts = Counter(record.outcome for record in records)
        self._ended_here = 0
        self._start = time.time()
        self._seconds_left = seconds_left
        self._running: dict[int, RunningTrial] = {}
        self._objectives = objectives
        self._best: dict[str, tuple[int, Scores]] = {}
        self._live: Live | None = None
        self._warned: set[str] = set()
        for record in records:
            self._keep(record)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=self._render, console=self._console, refresh_per_second=2
            )
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def on_start(self, number: int, recipe: Recipe) -> None:
        """A trial begins."""
        self._running[number] = RunningTrial(recipe, time.time())
        self._line(f"trial {number} starts: {name_recipe(recipe)}")

    def on_progress(self, number: int, stage: str, share: float) -> None:
        """A running trial has done a share of a stage."""
        if number in self._running:
            self._running[number].stage = stage
            self._running[number].share = share

    def on_rung(self, number: int, train_images: int, scores: Scores) -> None:
        """A running trial's training was scored on its way."""
        fid = f"FID {scores['fid']:.1f}" if "fid" in scores else "no FID yet"
        self._line(f"trial {number} at {train_images:,} images: {fid}")

    def on_retry(self, number: int, reason: str) -> None:
        """A running trial broke and is started again."""
        self._line(f"trial {number} broke ({reason}) and starts again", alarming=True)

    def on_hold(self, number: int, reason: str) -> None:
        """A running trial broke for good; whether that is its own fault is not known yet."""
        held = f"broke ({reason}); counts as failed once another trial ends otherwise"
        self._line(f"trial {number} {held}", alarming=True)

    def on_warning(self, number: int, text: str) -> None:
        """A running trial's worker warns of something, which is said once for all trials."""
        if text not in self._warned:
            self._warned.add(text)
            self._line(f"trial {number}: {text}", alarming=True)

    def on_note(self, text: str) -> None:
        """Something is to be said that concerns no trial."""
        self._line(text, alarming=True)

    def on_end(self, record: TrialRecord) -> None:
        """A trial is complete, was stopped early, or failed."""
        self._running.pop(record.number, None)
        self._finished += 1
        self._ended_here += 1
        self._counts[record.outcome] += 1
        self._keep(record)
        if record.scores is None:
            failed = "failed: " if record.state == "failed" else ""
            parts = [f"{failed}{record.reason}"]
        else:
            parts = [self._figures(record.scores)]
            machine = record.scores.get("machine")
            if machine not in (None, platform.node()):
                parts.append(f"on {one_line(machine, 100)}")
            if not record.feasible:
                parts.append(record.reason or record.outcome)
        line = f"trial {record.number} {', '.join(parts)} ({self._progress()})"
        self._line(line, alarming=record.state == "failed")

    def _keep(self, record: TrialRecord) -> None:
        """Keep a trial where it is the best so far in an objective."""
        scores = record.scores
        if scores is None or not record.feasible:
            return
        for name in self._objectives:
            kept = self._best.get(name)
            if kept is None or cost(name, scores[name]) < cost(name, kept[1][name]):
                self._best[name] = (record.number, scores)

    def _figures(self, scores: Scores) -> str:
        """Write a trial's FID and size, and what else is an objective."""
        others = [n for n in self._objectives if n not in DEFAULT_OBJECTIVES]
        parts = [f"FID {scores['fid']:.1f}", format_bytes(scores["size_bytes"])]
        return ", ".join([*parts, *(f"{name} {scores[name]:,.3g}" for name in others)])

    def _line(self, text: str, *, alarming: bool = False) -> None:
        """Write a line where there is no live table; what went wrong always."""
        if self._live is None or alarming:
            self._console.print(Text(text), soft_wrap=True)

    def _progress(self) -> str:
        progress = f"{self._finished} of {self._trials} finished"
        return f"{progress}, {self._time_left()}" if self._finished < self._trials else progress

    def _time_left(self) -> str:
        """Estimate by the mean pace so far, cut by the time budget.

        The first trials train the backbones that later ones reuse, so their pace says little.
        """
        elapsed = time.time() - self._start
        left = max(self._trials - self._finished, 0)
        estimates = []
        if 2 * self._ended_here >= left:
            estimates.append(elapsed / max(self._ended_here, 1) * left)
        if self._seconds_left is not None:
            estimates.append(max(self._seconds_left - elapsed, 0))
        if not estimates:
            return "time left not known yet"
        return f"about {format_seconds(min(estimates))} left"

    def _table(self) -> Table:
        """Return the running trials, at least one."""
        table = Table(box=None, pad_edge=False)
        for column in ("trial", "recipe", "stage", "time"):
            table.add_column(column, no_wrap=column != "recipe")
        for number, trial in sorted(self._running.items()):
            stage = trial.stage if trial.share is None else f"{trial.stage} {trial.share:.0%}"
            seconds = format_seconds(time.time() - trial.start)
            table.add_row(str(number), name_recipe(trial.recipe), stage, seconds)
        return table

    def _render(self) -> Group:
        tables = [self._table()] if self._running else []
        running = [f"{len(self._running)} running"] if self._running else []
        counts = [*running, self._progress()]
        for outcome in ("stopped early", OVER_A_LIMIT):
            if self._counts[outcome]:
                counts.append(f"{self._counts[outcome]} {outcome}")
        counts.append(f"{self._counts['failed']} failed")
        lines = [f"{', '.join(counts)}, {format_seconds(time.time() - self._start)} so far"]
        for name, (number, scores) in self._best.items():
            title = TITLES.get(name, f"best {name}")
            lines.append(f"{title}: trial {number}, {self._figures(scores)}")
        return Group(*tables, *map(Text, lines))
