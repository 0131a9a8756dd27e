"""What the engine saves: the front of a plain Ray Tune study, reached with how much less.

    python -m benchmarks.engine --seeds 3 --trials 16 --out DIR [--before CHECKOUT]

For each seed, on the quick space and the embedded digits: `plain` (benchmarks.plain_tune), `drawn`
(our engine on the same knobs without the hand-made design, benchmarks/quick_drawn.py), `ours`
(with it), and `before`, the quick study of an older checkout of this project. The course of each
is its hypervolume of (ln FID, log10 bytes) over images trained on and over wall clock, from the
start of the command on. What is there in DIR is not run again. Prints a Markdown table of what
`drawn` and `ours` needed to reach the last hypervolume of the others.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from optuna.trial import FrozenTrial

from benchmarks.hypervolume import Moment, hypervolume, reach
from study.results.records import TrialRecord
from study.run.folder import JOURNAL_NAME
from study.run.storage import StudyStorage

Course = list[Moment]
Search = Callable[[Path, int, int], Course]
Shares = tuple[float, float]  # of images and of seconds
PROJECT = Path(__file__).resolve().parent.parent
DRAWN = Path(__file__).resolve().with_name("quick_drawn.py")
OURS = ("drawn", "ours")


@dataclass(frozen=True)
class Trial:
    """When a trial ran, in seconds since its search began, and what came of it."""

    begin: float
    end: float
    trained_images: int
    point: tuple[float, float] | None


def run_plain(out: Path, seed: int, trials: int) -> Course:
    """Run the plain study."""
    path = out / f"plain-{seed}.json"
    if not path.exists():
        arguments = ["--trials", str(trials), "--seed", str(seed), "--out", str(path)]
        _run("benchmarks.plain_tune", *arguments)
    rows = json.loads(path.read_text())
    # Of this search only the end is looked at, by when all that began has ended.
    return course(
        [
            Trial(r["seconds"], r["seconds"], r["trained_images"], (r["fid"], r["size_bytes"]))
            for r in rows
        ]
    )


def run_drawn(out: Path, seed: int, trials: int) -> Course:
    """Run our engine on the space's knobs alone."""
    return _run_search(out, f"drawn-{seed}", seed, trials, options=("--space", str(DRAWN)))


def run_ours(out: Path, seed: int, trials: int) -> Course:
    """Run our engine with the space's hand-made design."""
    return _run_search(out, f"ours-{seed}", seed, trials)


def run_before(checkout: Path, out: Path, seed: int, trials: int) -> Course:
    """Run the quick study of an older checkout."""
    ask = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip()
    return _run_search(out, f"before-{commit}-{seed}", seed, trials, checkout=checkout)


def course(trials: Sequence[Trial]) -> Course:
    """Return the course of a search: a moment at the end of each of its trials.

    What a trial trains on counts from its begin on, so that no search is spared what it trains
    just then.
    """
    moments, points = [], []
    for trial in sorted(trials, key=lambda trial: trial.end):
        points += [trial.point] if trial.point else []
        images = sum(other.trained_images for other in trials if other.begin <= trial.end)
        moments.append(Moment(trial.end, images, hypervolume(points)))
    return moments


def _run_search(
    out: Path,
    name: str,
    seed: int,
    trials: int,
    *,
    options: Sequence[str] = (),
    checkout: Path = PROJECT,
) -> Course:
    started, run = out / f"{name}.start", out / name
    if not run.exists():
        started.write_text(str(time.time()))
        arguments = ["--out", str(out), "--name", name, "--trials", str(trials)]
        arguments += ["--seed", str(seed), "--no-verify", *options]
        _run("study.search", *arguments, checkout=checkout)
    start = float(started.read_text())
    storage = StudyStorage(run / JOURNAL_NAME, ("fid", "size_bytes"))
    ended = [
        _as_trial(record, trial, start)
        for record, trial in zip(storage.records(), storage.frozen_trials(), strict=True)
        if record.finished
    ]
    if len(ended) < trials:
        raise ValueError(f"{run} has {len(ended)} of {trials} trials; delete it, to run it anew")
    return course(ended)


def _as_trial(record: TrialRecord, trial: FrozenTrial, start: float) -> Trial:
    if trial.datetime_start is None or trial.datetime_complete is None:
        raise ValueError(f"trial {record.number} has no times; allowed: one that ended")
    scores = record.scores
    return Trial(
        trial.datetime_start.timestamp() - start,
        trial.datetime_complete.timestamp() - start,
        record.trained_images,
        (scores["fid"], scores["size_bytes"]) if scores else None,
    )


def _run(module: str, *arguments: str, checkout: Path = PROJECT) -> None:
    """Run a command of a checkout, which hides what is installed."""
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve())}
    command = [sys.executable, "-m", module, *arguments]
    subprocess.run(command, check=True, cwd=checkout, env=environment)


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--before", type=Path, help="an older checkout of this project")
    given = parser.parse_args()
    out = given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    searches: dict[str, Search] = {"plain": run_plain, "drawn": run_drawn, "ours": run_ours}
    if given.before is not None:
        searches["before"] = partial(run_before, given.before)
    pairs = [(name, goal) for goal in ("plain", "before") if goal in searches for name in OURS]
    print("| search | reaches the end of | seed | hypervolume | images | seconds |")
    print("|-|-|-|-|-|-|")
    shares: dict[tuple[str, str], list[Shares]] = {pair: [] for pair in pairs}
    for seed in range(given.seeds):
        courses = {name: run(out, seed, given.trials) for name, run in searches.items()}
        for (name, baseline), of_seeds in shares.items():
            goal = courses[baseline][-1]
            found = reach(courses[name], goal.hypervolume)
            of_seeds.append(_shares(found, goal))
            cells = f"{goal.hypervolume:.2f} | {' | '.join(_cells(found, goal))}"
            print(f"| {name} | {baseline} | {seed} | {cells} |", flush=True)
    for (name, baseline), of_seeds in shares.items():
        images, seconds = (statistics.median(column) for column in zip(*of_seeds, strict=True))
        print(f"| {name} | {baseline} | median | | {images:.3f} | {seconds:.3f} |")


def _shares(found: Moment | None, goal: Moment) -> Shares:
    """Return the shares of a goal's images and seconds; infinite where it is never reached."""
    if found is None:
        return math.inf, math.inf
    return found.trained_images / goal.trained_images, found.seconds / goal.seconds


def _cells(found: Moment | None, goal: Moment) -> tuple[str, str]:
    """Say how many images and seconds of the goal's a search needed."""
    if found is None:
        return f"- of {goal.trained_images:,}", f"- of {goal.seconds:.0f}"
    images, seconds = _shares(found, goal)
    return (
        f"{found.trained_images:,} of {goal.trained_images:,} ({images:.3f})",
        f"{found.seconds:.0f} of {goal.seconds:.0f} ({seconds:.3f})",
    )


if __name__ == "__main__":
    main()
