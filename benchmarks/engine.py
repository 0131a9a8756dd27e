"""What the engine saves: the front of a plain Ray Tune study, reached with how much less.

    python -m benchmarks.engine --seeds 3 --trials 16 --out DIR

For each seed, on the quick space and the embedded digits: `plain` (benchmarks.plain_tune), `anew`
(our engine with reuse and early stopping off) and `ours`. The course of each is its hypervolume of
(ln FID, log10 bytes) over images trained on and over wall clock, from the start of the command on.
What is there in DIR is not run again. Prints a Markdown table of what `ours` and `anew` needed to
reach plain's final hypervolume.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.hypervolume import Moment, hypervolume, reach
from study.settings import JOURNAL_NAME
from study.storage import StudyStorage

Course = list[Moment]


def run_plain(out: Path, seed: int, trials: int) -> Course:
    """Run the plain study."""
    path = out / f"plain-{seed}.json"
    if not path.exists():
        arguments = ["--trials", str(trials), "--seed", str(seed), "--out", str(path)]
        _run("benchmarks.plain_tune", *arguments)
    rows = json.loads(path.read_text())
    return course([(r["seconds"], r["trained_images"], (r["fid"], r["size_bytes"])) for r in rows])


def run_anew(out: Path, seed: int, trials: int) -> Course:
    """Run our engine without its two savings."""
    return _run_search(out, f"anew-{seed}", seed, trials, "--no-reuse", "--no-early-stopping")


def run_ours(out: Path, seed: int, trials: int) -> Course:
    """Run our engine as it is."""
    return _run_search(out, f"ours-{seed}", seed, trials)


def course(rows: Sequence[tuple[float, int, tuple[float, float] | None]]) -> Course:
    """Return the course of a search from its trials' ends: seconds, images trained on, scores."""
    moments, points, trained_images = [], [], 0
    for seconds, images, point in sorted(rows, key=lambda row: row[0]):
        trained_images += images
        points += [point] if point else []
        moments.append(Moment(seconds, trained_images, hypervolume(points)))
    return moments


def _run_search(out: Path, name: str, seed: int, trials: int, *options: str) -> Course:
    started, run = out / f"{name}.start", out / name
    if not run.exists():
        started.write_text(str(time.time()))
        arguments = ["--out", str(out), "--name", name, "--trials", str(trials)]
        _run("study.search", *arguments, "--seed", str(seed), "--no-verify", *options)
    start = float(started.read_text())
    storage = StudyStorage(run / JOURNAL_NAME, ("fid", "size_bytes"))
    rows = []
    for record, trial in zip(storage.records(), storage.frozen_trials(), strict=True):
        if not record.finished or trial.datetime_complete is None:
            continue
        scores = record.scores
        point = (scores["fid"], scores["size_bytes"]) if scores else None
        seconds = trial.datetime_complete.timestamp() - start
        rows.append((seconds, record.trained_images, point))
    return course(rows)


def _run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], check=True)


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--without-anew", action="store_true", help="leave out `anew`")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    engines: dict[str, Callable[[Path, int, int], Course]] = {"ours": run_ours, "anew": run_anew}
    if given.without_anew:
        del engines["anew"]
    print("| engine | seed | plain ends at | images to reach it | share | seconds | share |")
    print("|-|-|-|-|-|-|-|")
    shares: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
    for seed in range(given.seeds):
        plain = run_plain(given.out, seed, given.trials)[-1]
        for name, run in engines.items():
            found = reach(run(given.out, seed, given.trials), plain.hypervolume)
            images, seconds = _shares(found, plain)
            shares[name].append((images, seconds))
            print(
                f"| {name} | {seed} | {plain.hypervolume:.2f}, {plain.trained_images:,} images, "
                f"{plain.seconds:.0f} s | {found.trained_images if found else '-'} | {images:.3f} "
                f"| {f'{found.seconds:.0f}' if found else '-'} | {seconds:.3f} |",
                flush=True,
            )
    for name, pairs in shares.items():
        images, seconds = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"| {name} | median | | | {images:.3f} | | {seconds:.3f} |")


def _shares(found: Moment | None, plain: Moment) -> tuple[float, float]:
    """Return the shares of plain's images and seconds; infinite where it was never reached."""
    if found is None:
        return float("inf"), float("inf")
    return found.trained_images / plain.trained_images, found.seconds / plain.seconds


if __name__ == "__main__":
    main()
