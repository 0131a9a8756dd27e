"""Work measured in turns: processor time at one thread, so that what else runs counts little."""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

Work = Callable[[], object]
Figures = dict[str, float]  # what was measured, by what it is
LEAST_SECONDS = 0.3  # of a turn; shorter ones are repeated


def processor_seconds(work: Work, repeats: int = 1) -> float:
    """Return the processor seconds that a call takes, in the mean over some calls."""
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats


def in_turns(works: Mapping[str, Work], rounds: int) -> dict[str, list[float]]:
    """Return the processor seconds of each work in each round, their order turned each time.

    Every work is done once before, uncounted: that pays for what later calls reuse.
    """
    repeats = {}
    for name, work in works.items():
        work()
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
    """Measure at one thread, print the figures and keep them where that is asked for."""
    torch.set_num_threads(1)
    figures = measure(given.rounds)
    for name, value in figures.items():
        print(f"{value:10.4g}  {name}", flush=True)
    keep(figures, given.json)


def keep(figures: Figures, path: Path | None) -> None:
    """Write figures to a file, where one is asked for."""
    if path is not None:
        path.write_text(json.dumps(figures))
