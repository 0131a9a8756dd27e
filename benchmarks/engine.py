"""What the engine saves: the front of a plain Ray Tune study, reached with how much less.

    python -m benchmarks.engine --seeds 3 --trials 16 --out DIR

For each seed, on the quick space and the embedded digits: `plain` (benchmarks.plain_tune), `anew`
(our engine with reuse and early stopping off) and `ours`. The course of each is its hypervolume of
(ln FID, log10 bytes) over images trained on and over wall clock, from the start of the command on.
What is there in DIR is not run again. Prints a Markdown table of what `ours` and `anew` needed to
reach plain's last hypervolume, and `ours` to reach that of `anew`.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from optuna.trial import FrozenTrial

from benchmarks.hypervolume import Moment, hypervolume, reach
from study.results.records import TrialRecord
from study.run.folder import JOURNAL_NAME
from study.run.storage import StudyStorage

Course = list[Moment]
Shares = tuple[float, float]  # of images and of seconds


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


def run_anew(out: Path, seed: int, trials: int) -> Course:
    """Run our engine without its two savings."""
    return _run_search(out, f"anew-{seed}", seed, trials, "--no-reuse", "--no-early-stopping")


def run_ours(out: Path, seed: int, trials: int) -> Course:
    """Run our engine as it is."""
    return _run_search(out, f"ours-{seed}", seed, trials)


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


def _run_search(out: Path, name: str, seed: int, trials: int, *options: str) -> Course:
    started, run = out / f"{name}.start", out / name
    if not run.exists():
        started.write_text(str(time.time()))
        arguments = ["--out", str(out), "--name", name, "--trials", str(trials)]
        _run("study.search", *arguments, "--seed", str(seed), "--no-verify", *options)
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


def _run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], check=True)


SEARCHES: dict[str, Callable[[Path, int, int], Course]] = {
    "plain": run_plain,
    "anew": run_anew,
    "ours": run_ours,
}
# A search, and the one whose last hypervolume it has to reach.
PAIRS = (("ours", "plain"), ("anew", "plain"), ("ours", "anew"))


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    print("| search | reaches the end of | seed | hypervolume | images | seconds |")
    print("|-|-|-|-|-|-|")
    shares: dict[tuple[str, str], list[Shares]] = {pair: [] for pair in PAIRS}
    for seed in range(given.seeds):
        courses = {name: run(given.out, seed, given.trials) for name, run in SEARCHES.items()}
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
