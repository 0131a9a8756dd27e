"""How many trials at once a cluster's workers really do: trials that sleep, on declared cores.

    python -m benchmarks.throughput --workers 1 2 4 8 16 32

A real search of the mnist space, with real Ray workers and a real journal; only what a trial does
is injected: it sleeps. Each worker's rate is counted from the start of the first trial on, for as
long as all have trials to do, and set against the rate of one worker in the same run.
"""

import argparse
import tempfile
import time
from pathlib import Path

import ray

from benchmarks.in_turns import add_json, keep
from benchmarks.overhead import OBJECTIVES, do_nothing
from diffusion.data import load_dataset
from diffusion.recipe import Recipe
from search_spaces import load_space
from study.cluster.resources import resolve_resources
from study.cluster.tuner import run_trials
from study.engine.budget import Budget
from study.engine.dispatcher import Dispatcher
from study.engine.proposer import Proposer
from study.engine.trainings import Trainings
from study.engine.watcher import Listener
from study.evaluation.context import RunContext, TrialContext
from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.run.storage import StudyStorage

SLEEP_SECONDS = 5.0
ROUNDS = 8  # Trials of each worker that are counted; one more keeps all busy until then.


class Watch(Listener):
    """Notes when trials begin and end."""

    def __init__(self) -> None:
        self.starts: list[float] = []
        self.ends: list[float] = []

    def on_start(self, number: int, recipe: Recipe) -> None:
        """Note it."""
        self.starts.append(time.perf_counter())

    def on_end(self, record: TrialRecord) -> None:
        """Note it, of a trial that did its work."""
        if record.scores is not None:
            self.ends.append(time.perf_counter())


def sleep(recipe: Recipe, context: TrialContext) -> Scores:
    """Take the time that a trial takes, and nothing else."""
    time.sleep(SLEEP_SECONDS)
    return do_nothing(recipe, context)


def trials_a_second(workers: int, folder: Path) -> float:
    """Return the rate of so many workers, from the first trial's start on."""
    watch, dataset = Watch(), load_dataset("mnist5k")
    storage = StudyStorage(folder / "study.journal", OBJECTIVES)
    trainings = Trainings([], OBJECTIVES)
    proposer = Proposer(
        load_space("mnist"), dataset.config(), storage, seed=0, refusal=trainings.refusal
    )
    budget = Budget((ROUNDS + 1) * workers)
    dispatcher = Dispatcher(proposer, trainings, budget, watch, retries=1)
    context = RunContext("mnist5k", None, folder / "trials", folder / "backbones", 10)
    ray.init(address="local", num_cpus=workers, include_dashboard=False, log_to_driver=False)
    try:
        run_trials(dispatcher, sleep, context, resolve_resources(1, 0, None), folder / "tune")
    finally:
        ray.shutdown()
    counted = ROUNDS * workers
    return counted / (watch.ends[counted - 1] - watch.starts[0])


def main() -> None:
    """Run the studies and print their rates."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    add_json(parser)
    given = parser.parse_args()
    one, figures = 0.0, {}
    print("| workers | trials a second | of one worker's, times the workers |\n|-|-|-|")
    for workers in given.workers:
        with tempfile.TemporaryDirectory() as folder:
            rate = trials_a_second(workers, Path(folder))
        one = one or rate / workers
        share = figures[f"{workers} workers, of one's rate times them"] = rate / one / workers
        print(f"| {workers} | {rate:.3f} | {share:.2f} |", flush=True)
    keep(figures, given.json)


if __name__ == "__main__":
    main()
