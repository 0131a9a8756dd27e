"""What a person sees while a study runs: a live table, or plain lines when it is no terminal."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from diffusion.recipe import Recipe
from study.records import Scores, TrialRecord
from study.units import format_bytes, format_seconds


@dataclass
class RunningTrial:
    """A trial at work."""

    recipe: Recipe
    start: float
    stage: str = "start"
    share: float = 0.0


class LiveView:
    """Shows a study's progress; a `dispatch.Watcher`.

    Args:
        console: where to write.
        trials: how many finished trials end the study.
        records: of the trials that there are already.
        seconds_left: of the time budget, where there is one.
    """

    def __init__(
        self,
        console: Console,
        trials: int,
        records: Sequence[TrialRecord] = (),
        seconds_left: float | None = None,
    ) -> None:
        self._console = console
        self._trials = trials
        self._finished = sum(record.finished for record in records)
        self._failed = sum(record.state == "failed" for record in records)
        self._ended_here = 0
        self._start = time.time()
        self._seconds_left = seconds_left
        self._running: dict[int, RunningTrial] = {}
        self._best: tuple[int, Scores] | None = None
        self._smallest: tuple[int, Scores] | None = None
        self._live: Live | None = None
        for record in records:
            if record.state == "complete" and record.scores is not None:
                self._keep(record.number, record.scores)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=self._render, console=self._console, refresh_per_second=2
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def on_start(self, number: int, recipe: Recipe) -> None:
        """A trial begins."""
        self._running[number] = RunningTrial(recipe, time.time())
        self._line(f"trial {number} starts: {describe(recipe)}")

    def on_progress(self, number: int, stage: str, share: float) -> None:
        """A running trial has done a share of a stage."""
        if number in self._running:
            self._running[number].stage = stage
            self._running[number].share = share

    def on_end(self, number: int, scores: Scores | None, reason: str | None) -> None:
        """A trial is complete, or failed for a reason."""
        self._running.pop(number, None)
        self._finished += 1
        self._ended_here += 1
        if scores is None or reason is not None:
            self._failed += 1
            outcome = f"failed: {reason}"
        else:
            self._keep(number, scores)
            outcome = f"FID {scores['fid']:.1f}, {format_bytes(scores['size_bytes'])}"
        self._line(f"trial {number} {outcome} ({self._progress()})", failed=scores is None)

    def _keep(self, number: int, scores: Scores) -> None:
        if self._best is None or scores["fid"] < self._best[1]["fid"]:
            self._best = (number, scores)
        if self._smallest is None or scores["size_bytes"] < self._smallest[1]["size_bytes"]:
            self._smallest = (number, scores)

    def _line(self, text: str, *, failed: bool = False) -> None:
        """Write a line where there is no live table; failures always."""
        if self._live is None or failed:
            self._console.print(Text(text), soft_wrap=True)

    def _progress(self) -> str:
        return f"{self._finished} of {self._trials} finished, {self._time_left()}"

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

    def _render(self) -> Group:
        table = Table(box=None, pad_edge=False)
        for column in ("trial", "recipe", "stage", "time"):
            table.add_column(column, no_wrap=column != "recipe")
        for number, trial in sorted(self._running.items()):
            stage = f"{trial.stage} {trial.share:.0%}"
            seconds = format_seconds(time.time() - trial.start)
            table.add_row(str(number), describe(trial.recipe), stage, seconds)
        lines = [
            f"{len(self._running)} running, {self._progress()}, {self._failed} failed, "
            f"{format_seconds(time.time() - self._start)} so far"
        ]
        for title, kept in (("best FID", self._best), ("smallest", self._smallest)):
            if kept is not None:
                number, scores = kept
                size = format_bytes(scores["size_bytes"])
                lines.append(f"{title}: trial {number}, FID {scores['fid']:.1f}, {size}")
        return Group(table, *map(Text, lines))


def describe(recipe: Recipe) -> str:
    """Name a recipe in a few words."""
    network, compression = recipe.network, recipe.compression
    words = [
        network.architecture,
        "-".join(map(str, network.widths)),
        f"groups {network.groups}",
        f"ema {recipe.ema.track}",
    ]
    if compression.prune_method != "none":
        region, ratio = compression.prune_region, compression.prune_ratio
        words.append(f"{compression.prune_method} {ratio:.0%} {region}")
    if compression.quantization != "none":
        words.append(compression.quantization)
    return ", ".join(words)
