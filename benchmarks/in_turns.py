"""Work measured in turns: processor time at one thread, so that what else runs counts little."""

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch

from diffusion.device import prepare

Work = Callable[[], object]
Figures = dict[str, float]  # what was measured, by what it is
LEAST_SECONDS = 0.3  # of a turn; shorter ones are repeated


class Elsewhere:
    """A work in a process of its own, which is as a script of its own finds it."""

    def __init__(self, make: Callable[..., Work], *arguments: Any) -> None:
        """Start the process.

        Args:
            make: of a module; called there, with the arguments, for what is worked.
        """
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, arguments), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pipe.close()
        self._process.join()

    def processor_seconds(self, repeats: int) -> float:
        """Return what a call takes there.

        Raises:
            EOFError, OSError: the process ended; it has said why.
        """
        self._pipe.send(repeats)
        return float(self._pipe.recv())


def _serve(pipe: Connection, make: Callable[..., Work], arguments: tuple[Any, ...]) -> None:
    """Answer how long so many calls take, until nobody asks any more."""
    torch.set_num_threads(1)
    work = make(*arguments)
    while True:
        try:
            repeats = pipe.recv()
        except EOFError:
            return
        pipe.send(processor_seconds(work, repeats))


def processor_seconds(work: Work | Elsewhere, repeats: int = 1) -> float:
    """Return the processor seconds that a call takes, in the mean over some calls."""
    if isinstance(work, Elsewhere):
        return work.processor_seconds(repeats)
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats


def in_turns(works: Mapping[str, Work | Elsewhere], rounds: int) -> dict[str, list[float]]:
    """Return the processor seconds of each work in each round, their order turned each time.

    Every work is done once before, uncounted: that pays for what later calls reuse.
    """
    repeats = {}
    for name, work in works.items():
        processor_seconds(work)
        repeats[name] = max(1, round(LEAST_SECONDS / max(processor_seconds(work), 1e-6)))
    seconds: dict[str, list[float]] = {name: [] for name in works}
    names = list(works)
    for _ in range(rounds):
        for name in names:
            seconds[name].append(processor_seconds(works[name], repeats[name]))
        names.reverse()
    return seconds


def times_faster(seconds: Mapping[str, list[float]], ours: str, theirs: str) -> float:
    """Return how many times as long theirs takes: the median of the ratios of the rounds."""
    pairs = zip(seconds[ours], seconds[theirs], strict=True)
    return statistics.median(their / our for our, their in pairs)


def benchmark_parser(description: str | None, rounds: int) -> argparse.ArgumentParser:
    """Return a parser with the options of every benchmark of ratios."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=rounds, help=f"(default {rounds})")
    add_json(parser)
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option by which a benchmark's figures are kept."""
    parser.add_argument("--json", type=Path, help="a file for the figures")


def run(measure: Callable[[int], Figures], given: argparse.Namespace) -> None:
    """Measure as a trial works, print the figures and keep them where that is asked for."""
    torch.set_num_threads(1)
    prepare(torch.device("cpu"))
    figures = measure(given.rounds)
    for name, value in figures.items():
        print(f"{value:10.4g}  {name}", flush=True)
    keep(figures, given.json)


def keep(figures: Figures, path: Path | None) -> None:
    """Write figures to a file, where one is asked for."""
    if path is not None:
        path.write_text(json.dumps(figures))
