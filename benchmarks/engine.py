"""What the engine saves: the front of a plain Ray Tune study, reached with how much less.

    python -m benchmarks.engine --seeds 3 --trials 16 --out DIR [--before CHECKOUT]

For each seed, on the quick space and the embedded digits: `plain` (benchmarks.plain_tune), `ours`
(our engine) and, where asked for, `before`, the quick study of an older checkout of this project.
The course of each is its hypervolume of (ln FID, log10 bytes) over images trained on and over wall
clock, from the start of the command on. Images count whole from the begin of the trial that trains
on them, and besides as far as it had come. What is there in DIR is not run again. Prints a table
in Markdown of what our engine needed to reach the last hypervolume of the others, and what its
trials were worth.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.course import Trial, course, trained_by, worth
from benchmarks.hypervolume import Moment, reach
from study.run.folder import JOURNAL_NAME
from study.run.storage import StudyStorage

Search = Callable[[Path, int, int], list[Trial]]
Ended = Mapping[str, Sequence[Trial]]  # by the name of the search
Shares = tuple[float, float, float]  # of images begun, images trained by then and seconds
PROJECT = Path(__file__).resolve().parent.parent
OURS = "ours"


def run_plain(out: Path, seed: int, trials: int) -> list[Trial]:
    """Run the plain study."""
    path = out / f"plain-{_commit(PROJECT)}-{seed}.json"
    if not path.exists():
        arguments = ["--trials", str(trials), "--seed", str(seed), "--out", str(path)]
        _run("benchmarks.plain_tune", *arguments)
    rows = json.loads(path.read_text())
    # Of this search only the end is looked at, by when all that began has ended.
    return [
        Trial(r["seconds"], r["seconds"], r["trained_images"], (r["fid"], r["size_bytes"]))
        for r in rows
    ]


def run_ours(out: Path, seed: int, trials: int) -> list[Trial]:
    """Run our engine."""
    return _run_search(out, OURS, seed, trials)


def run_before(checkout: Path, out: Path, seed: int, trials: int) -> list[Trial]:
    """Run the quick study of an older checkout."""
    return _run_search(out, "before", seed, trials, checkout)


def _commit(checkout: Path) -> str:
    """Return the commit of a checkout, by which what was run is told apart."""
    ask = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip()


def _run_search(
    out: Path, name: str, seed: int, trials: int, checkout: Path = PROJECT
) -> list[Trial]:
    name = f"{name}-{_commit(checkout)}-{seed}"
    started, run = out / f"{name}.start", out / name
    if not run.exists():
        started.write_text(str(time.time()))
        arguments = ["--out", str(out), "--name", name, "--trials", str(trials)]
        arguments += ["--seed", str(seed), "--no-verify"]
        _run("study.search", *arguments, checkout=checkout)
    start = float(started.read_text())
    storage = StudyStorage(run / JOURNAL_NAME, ("fid", "size_bytes"))
    ended = [
        Trial.of(record, trial, start)
        for record, trial in zip(storage.records(), storage.frozen_trials(), strict=True)
        if record.finished
    ]
    if len(ended) < trials:
        raise ValueError(f"{run} has {len(ended)} of {trials} trials; delete it, to run it anew")
    return ended


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
    searches: dict[str, Search] = {"plain": run_plain, OURS: run_ours}
    if given.before is not None:
        searches["before"] = partial(run_before, given.before)
    seeds, trials = range(given.seeds), given.trials
    ended = [{name: run(out, seed, trials) for name, run in searches.items()} for seed in seeds]
    for baseline in [name for name in ("plain", "before") if name in searches]:
        _print_shares(ended, baseline)
    _print_worth(ended)


def _print_shares(ended: Sequence[Ended], baseline: str) -> None:
    """Print what ours needed to reach the end of another search, by seed and their median."""
    print(f"\n| seed | hypervolume of {baseline} | images begun | trained by then | seconds |")
    print("|-|-|-|-|-|")
    shares: list[Shares] = []
    for seed, of_seed in enumerate(ended):
        goal = course(of_seed[baseline])[-1]
        found = reach(course(of_seed[OURS]), goal.hypervolume)
        done = trained_by(of_seed[OURS], found.seconds) if found else 0
        shares.append(_shares(found, done, goal))
        print(f"| {seed} | {goal.hypervolume:.2f} | {' | '.join(_cells(found, done, goal))} |")
    medians = (statistics.median(column) for column in zip(*shares, strict=True))
    print(f"| median | | {' | '.join(f'{median:.3f}' for median in medians)} |")


def _print_worth(ended: Sequence[Ended]) -> None:
    """Print what became of the trials of ours."""
    print("\n| seed | trials once two backbones are known | as noise | useful |\n|-|-|-|-|")
    for seed, of_seed in enumerate(ended):
        found = worth(of_seed[OURS])
        print(f"| {seed} | {found.count} | {found.noise} | {found.useful} |")


def _shares(found: Moment | None, done: int, goal: Moment) -> Shares:
    """Return the shares of a goal's images and seconds; infinite where it is never reached."""
    if found is None:
        return math.inf, math.inf, math.inf
    images = found.trained_images, done
    begun, trained = (number / goal.trained_images for number in images)
    return begun, trained, found.seconds / goal.seconds


def _cells(found: Moment | None, done: int, goal: Moment) -> tuple[str, str, str]:
    """Say how many images and seconds of the goal's a search needed."""
    if found is None:
        return f"- of {goal.trained_images:,}", "-", f"- of {goal.seconds:.0f}"
    begun, trained, seconds = _shares(found, done, goal)
    return (
        f"{found.trained_images:,} of {goal.trained_images:,} ({begun:.3f})",
        f"{done:,} ({trained:.3f})",
        f"{found.seconds:.0f} of {goal.seconds:.0f} ({seconds:.3f})",
    )


if __name__ == "__main__":
    main()
