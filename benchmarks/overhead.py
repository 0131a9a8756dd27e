"""What the engine costs besides its trials: time and memory of a study whose trials do nothing.

    python -m benchmarks.overhead --trials 5000

A real search of the mnist space, with real Ray workers and a real journal; only what a trial does
is injected, and what is screened beside it. Prints the time of a trial around every thousand, the
driver's memory, how soon the trial of a killed worker runs again, and the time that the front of
10,000 trials takes.
"""

import argparse
import os
import signal
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from diffusion.data import load_dataset
from diffusion.recipe import Recipe
from search_spaces import load_space
from study.cluster.resources import resolve_resources
from study.cluster.session import ray_session
from study.cluster.tuner import run_trials
from study.engine.budget import Budget
from study.engine.dispatcher import Dispatcher
from study.engine.proposer import Proposer
from study.engine.trainings import Trainings
from study.engine.watcher import Listener
from study.engine.worker import Evaluate
from study.evaluation.context import RunContext, TrialContext
from study.results.front import front_records
from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.run.storage import StudyStorage

OBJECTIVES = ("fid", "size_bytes")
AROUND = 50  # Twice as many trials before each thousand are the ones timed.
DYING_TRIALS, ATTEMPTS = 6, "attempts"
WARM = 100  # Trials after which memory is counted: by then all is loaded.


def do_nothing(recipe: Recipe, context: TrialContext) -> Scores:
    """Score by the recipe's hash, and what was asked to be screened likewise."""
    context.on_screened([screened_values(other) for other in context.to_screen])
    return do_nothing_scores(recipe)


def do_nothing_scores(recipe: Recipe, share: float | None = None) -> Scores:
    """Return made-up scores, from good and large to bad and small; by the recipe's hash."""
    share = _share(recipe) if share is None else share
    return {
        "fid": 10 + 90 * share,
        "size_bytes": int(1e6 * (1.5 - share) ** 2),
        "train_seconds": 64.0,
        "generate_seconds": 3.0,
        "score_seconds": 1.0,
    }


def _share(recipe: Recipe) -> float:
    return int(recipe.key[:8], 16) / 16**8


def screened_values(recipe: Recipe) -> dict[str, Any]:
    """Return what a worker might find of a compression, by its recipe's hash."""
    share = _share(recipe)
    counts = dict.fromkeys(("macs", "parameters", "nonzero_parameters"), 100_000)
    size_bytes = int(1e6 * (1.5 - share) ** 2)
    found = {"recipe_key": recipe.key, "drift": share**3, "size_bytes": size_bytes}
    return {**found, **counts, "reason": None}


def resident_bytes() -> int:
    """Return the memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def front_milliseconds(num_trials: int) -> float:
    """Return the median time that the front of so many random trials takes."""
    generator = np.random.default_rng(0)
    records = [
        TrialRecord(number, "complete", None, {"fid": fid, "size_bytes": size})
        for number, (fid, size) in enumerate(
            np.exp(generator.normal(size=(num_trials, 2))).tolist()
        )
    ]
    times = []
    for _ in range(5):
        start = time.perf_counter()
        front_records(records, ("fid", "size_bytes"))
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


class Meter(Listener):
    """Notes the time and the driver's memory at the end of each trial."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.memory: list[int] = []

    def on_end(self, record: TrialRecord) -> None:
        """Note both."""
        self.seconds.append(time.perf_counter())
        self.memory.append(resident_bytes())


def die_once(recipe: Recipe, context: TrialContext) -> Scores:
    """Note the time, and kill the own process at the first attempt."""
    context.trial_dir.mkdir(parents=True, exist_ok=True)
    attempts = context.trial_dir / ATTEMPTS
    first = not attempts.exists()
    with attempts.open("a") as file:
        file.write(f"{time.time()}\n")
    if first:
        os.kill(os.getpid(), signal.SIGKILL)
    return do_nothing(recipe, context)


def restart_seconds(folder: Path) -> list[float]:
    """Return for each of some trials the time from its process's death to its next attempt."""
    run(DYING_TRIALS, folder, die_once)
    times = [path.read_text().split() for path in folder.glob(f"trials/*/{ATTEMPTS}")]
    return [float(second) - float(first) for first, second in times]


def run(trials: int, folder: Path, evaluate: Evaluate) -> Meter:
    """Run a study of trials that do nothing much."""
    meter, dataset = Meter(), load_dataset("mnist5k")
    storage = StudyStorage(folder / "study.journal", OBJECTIVES)
    trainings = Trainings([], OBJECTIVES)
    proposer = Proposer(
        load_space("mnist"), dataset.config(), storage, seed=0, refusal=trainings.refusal
    )
    dispatcher = Dispatcher(proposer, trainings, Budget(trials), meter, retries=1)
    context = RunContext("mnist5k", None, folder / "trials", folder / "backbones", 10)
    with ray_session(None):
        resources = resolve_resources(1, 0, None)
        run_trials(dispatcher, evaluate, context, resources, folder / "tune")
    return meter


def main() -> None:
    """Run the study and print what it cost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=1_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        meter = run(given.trials, Path(folder), do_nothing)
    with tempfile.TemporaryDirectory() as folder:
        restarts = restart_seconds(Path(folder))
    print("| trials | ms a trial | driver's memory, MB |\n|-|-|-|")
    for count in range(1_000, len(meter.seconds) + 1, 1_000):
        near = meter.seconds[count - 2 * AROUND : count]
        each = 1000 * (near[-1] - near[0]) / (len(near) - 1)
        print(f"| {count:,} | {each:.0f} | {meter.memory[count - 1] / 1e6:.0f} |")
    grown = meter.memory[-1] - meter.memory[WARM]
    print(f"\nmemory a trial: {grown / 1000 / (len(meter.memory) - WARM):.1f} kB")
    print(f"a killed worker's trial runs again after: {max(restarts):.1f} s at most")
    print(f"front of 10,000 trials: {front_milliseconds(10_000):.0f} ms")


if __name__ == "__main__":
    main()
