"""How much sooner a search reaches what plain Ray Tune with OptunaSearch ends with: a replay.

    python -m study.search --space quick-grid --name grid --no-early-stopping --no-verify
    python -m study.record runs/grid --score-rungs --out grid.json.gz
    python -m benchmarks.replay grid.json.gz

The first command takes two cores about two hours, and goes on with `--resume`; what came of it is
benchmarks/quick-grid.json.gz. Nothing is trained
or drawn in a replay: trials are looked up in the table, in simulated time with two workers.
Proposals, screening, early stopping and storage are the real ones. Every other seed meets the
other training of each network. Prints a Markdown table.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import optuna
from rich.progress import track

from benchmarks.hypervolume import Moment
from benchmarks.replay_searches import MOST_TRIALS, PLAIN_TRIALS, STRATEGIES, Strategy, plain
from benchmarks.replay_world import WORKERS
from study.evaluation.replay_table import Table, read_table

PROJECTED_SLOWDOWN = 10


def shares(
    table: Table, strategy: Strategy, slowdown: int, goals: dict[int, Moment]
) -> np.ndarray:
    """Return the shares of the plain search's images and seconds that a search needs.

    Args:
        table: of a recorded grid.
        strategy: that searches it.
        slowdown: of trainings and cool-downs.
        goals: the end of the plain search by seed.

    Returns:
        [seeds, 2], infinite where it never reached the plain search's last hypervolume.
    """
    found = np.full((len(goals), 2), math.inf)
    for place, (seed, goal) in enumerate(track(goals.items(), description=f"x{slowdown}")):
        last = strategy(table, slowdown, seed, goal.hypervolume)[-1]
        if last.hypervolume >= goal.hypervolume:
            found[place] = last.trained_images / goal.trained_images, last.seconds / goal.seconds
    return found


def main() -> None:
    """Replay every strategy on a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("table", type=Path, help="of study.record")
    parser.add_argument("--seeds", type=int, default=20, help="(default 20)")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table = read_table(given.table)
    print(_describe(table, given.seeds))
    goals = {
        slowdown: {seed: plain(table, slowdown, seed)[-1] for seed in range(given.seeds)}
        for slowdown in (1, PROJECTED_SLOWDOWN)
    }
    print("| search | reached | images | seconds | seconds, trainings x10 |\n|-|-|-|-|-|")
    for name, strategy in STRATEGIES.items():
        found, longer = (shares(table, strategy, *goal) for goal in goals.items())
        reached = int(np.isfinite(found[:, 0]).sum())
        columns = [found[:, 0], found[:, 1], longer[:, 1]]
        cells = " | ".join(_spread(column) for column in columns)
        print(f"| {name} | {reached} of {given.seeds} | {cells} |", flush=True)


def _describe(table: Table, seeds: int) -> str:
    conditions = table["conditions"]
    return (
        f"Replayed: {len(table['trials'])} recorded trials of {len(table['backbones'])} trainings "
        f"(space {conditions['space']}, data {conditions['dataset']}, FID of "
        f"{conditions['fid_num_images']} images, {conditions['threads']} threads a trial), "
        f"{WORKERS} workers, {seeds} seeds. Shares of what {PLAIN_TRIALS} trials of the plain "
        "search cost, until its last hypervolume of (ln FID, log10 bytes) is reached, with the "
        f"reference point (ln 700, 7), within {MOST_TRIALS} trials: median (quartiles).\n"
    )


def _spread(values: np.ndarray) -> str:
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75), method="nearest")
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
