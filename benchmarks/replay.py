"""How much sooner a search reaches what plain Ray Tune with OptunaSearch ends with: a replay.

    python -m benchmarks.replay                     # on the table that is shipped, made by:
    python -m study.search --space quick-grid --name grid --no-early-stopping --no-verify
    python -m study.record runs/grid --score-rungs --out benchmarks/quick-grid.json.gz

Nothing is trained or drawn: trials are looked up in the table, in simulated time with two
workers. Proposals, early stopping and storage are the real ones. The space is the quick space's,
with the levels that the table holds. The quick space's covering design was arranged with such
trials in view, so one search goes without it, and one with what the engine makes of the knobs
for a study of as many trials as the plain search has. Prints a Markdown table.
"""

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
from rich.progress import track

from benchmarks.hypervolume import Moment
from benchmarks.replay_world import WORKERS, World
from diffusion.recipe import DataConfig, Recipe
from search_spaces import load_space
from search_spaces.quick_grid import DESIGN
from search_spaces.space import SearchSpace
from study.engine.budget import Budget
from study.engine.design import with_design
from study.engine.dispatcher import Dispatcher
from study.engine.proposer import MOST_REFUSALS, Proposer
from study.engine.running import Assignment
from study.engine.trainings import Trainings
from study.engine.watcher import Listener
from study.evaluation.replay_table import Table, read_table
from study.results.objectives import Scores
from study.run.storage import StudyStorage

OBJECTIVES = ("fid", "size_bytes")
SHIPPED = Path(__file__).parent / "quick-grid.json.gz"
PLAIN_TRIALS, MOST_TRIALS = 24, 250
PROJECTED_SLOWDOWN = 10
Begin = Literal["by hand", "own design", "drawn"]
PLAIN = "plain TPE (OptunaSearch's), every trial trains"


class PlainSearch:
    """What Ray's OptunaSearch does: ask and tell, nothing is known to be the same."""

    looking = False

    def __init__(
        self, world: World, space: SearchSpace, sampler: optuna.samplers.BaseSampler
    ) -> None:
        self._world, self._space = world, space
        self._study = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
        self._left = PLAIN_TRIALS

    def next(self) -> Assignment | None:
        """Hand out a trial that the table holds."""
        for _ in range(MOST_REFUSALS if self._left else 0):
            trial = self._study.ask()
            recipe = self._space.suggest(trial, self._world.data)
            if self._world.refusal(recipe) is None:
                self._left -= 1
                return Assignment(trial.number, recipe, self._world.seconds)
            self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        if self._left:
            raise ValueError("the table lacks most combinations of its levels; record a grid")
        return None

    def judge(self, number: int, train_images: int, scores: Scores) -> bool:
        """Stop nothing."""
        return True

    def end(self, number: int, scores: Scores | None, reason: str | None) -> None:
        """Tell the study."""
        self._study.tell(number, [(scores or {})[name] for name in OBJECTIVES])


class _OnTable:
    """A trial that draws levels which the table holds."""

    def __init__(self, trial: optuna.Trial, levels: Mapping[str, list[Any]]) -> None:
        self._trial, self._levels = trial, levels

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Draw one of the levels."""
        return self._trial.suggest_categorical(name, self._levels[name])

    def suggest_float(self, name: str, *bounds: float, **options: Any) -> Any:
        """Draw one of the levels."""
        return self._trial.suggest_categorical(name, self._levels[name])


def replayed_space(table: Table) -> SearchSpace:
    """Return the grid's space with the levels of a table, and the rows of a design on it."""
    grid = load_space("quick-grid")
    levels: dict[str, list[Any]] = {}
    for row in table["trials"]:
        for name, value in row["knobs"].items():
            levels.setdefault(name, []).append(value)
    levels = {name: sorted(set(values)) for name, values in levels.items()}
    keys = {row["key"] for row in table["trials"]}
    data = DataConfig.from_dict(table["conditions"]["data"])

    def suggest(trial: optuna.Trial, data: DataConfig) -> Recipe:
        on_table: Any = _OnTable(trial, levels)
        return grid.suggest(on_table, data)

    covering = [row for row in DESIGN if grid.recipe(row, data).key in keys]
    return replace(grid, suggest=suggest, covering=covering)


def plain(table: Table, slowdown: int, seed: int, target: float) -> list[Moment]:
    """Run Ray's plain search: Optuna's default sampler, no trial knows of another's training."""
    world = World(table, slowdown, reuse=False, judges=False)
    sampler = optuna.samplers.TPESampler(seed=seed)
    return world.run(PlainSearch(world, replayed_space(table), sampler), target)


def random(table: Table, slowdown: int, seed: int, target: float) -> list[Moment]:
    """Draw every trial at random, and train it."""
    world = World(table, slowdown, reuse=False, judges=False)
    sampler = optuna.samplers.RandomSampler(seed=seed)
    return world.run(PlainSearch(world, replayed_space(table), sampler), target)


def engine(
    table: Table,
    slowdown: int,
    seed: int,
    target: float,
    *,
    views: bool = True,
    begin: Begin = "by hand",
    judges: bool = False,
) -> list[Moment]:
    """Run our engine; without views one TPE draws all knobs."""
    world, space = World(table, slowdown, reuse=True, judges=judges), replayed_space(table)
    trainings, storage = Trainings([], OBJECTIVES), StudyStorage(None, OBJECTIVES)
    if begin != "by hand":
        space = replace(space, covering=())
    if begin == "own design":
        space = with_design(space, world.data, storage, seed, PLAIN_TRIALS)
    proposer = Proposer(
        space,
        world.data,
        storage,
        seed,
        reuse=views,
        refusal=lambda recipe: world.refusal(recipe) or trainings.refusal(recipe),
    )
    budget = Budget(MOST_TRIALS)
    dispatcher = Dispatcher(proposer, trainings, budget, Listener(), clock=lambda: world.seconds)
    return world.run(dispatcher, target)


Strategy = Callable[[Table, int, int, float], list[Moment]]
STRATEGIES: dict[str, Strategy] = {
    PLAIN: plain,
    "random, every trial trains": random,
    "one TPE, trainings reused": lambda *a: engine(*a, views=False, begin="drawn"),
    "ours without the covering design": lambda *a: engine(*a, begin="drawn", judges=True),
    "ours with a design of the engine's own": lambda *a: engine(
        *a, begin="own design", judges=True
    ),
    "ours without early stopping": lambda *a: engine(*a),
    "ours": lambda *a: engine(*a, judges=True),
}


def shares(table: Table, strategy: Strategy, slowdown: int, seeds: int) -> np.ndarray:
    """Return the shares of the plain search's images and seconds that a search needs.

    Returns:
        [seeds, 2], infinite where it never reached the plain search's last hypervolume.
    """
    found = np.full((seeds, 2), math.inf)
    for seed in track(range(seeds), description=f"x{slowdown}"):
        whole = plain(table, slowdown, seed, math.inf)[-1]
        last = strategy(table, slowdown, seed, whole.hypervolume)[-1]
        if last.hypervolume >= whole.hypervolume:
            found[seed] = last.trained_images / whole.trained_images, last.seconds / whole.seconds
    return found


def main() -> None:
    """Replay every strategy on a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "table", type=Path, nargs="?", default=SHIPPED, help="of study.record (default: shipped)"
    )
    parser.add_argument("--seeds", type=int, default=20, help="(default 20)")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table = read_table(given.table)
    print(_describe(table, given.seeds))
    print("| search | reached | images | seconds | seconds, trainings x10 |\n|-|-|-|-|-|")
    for name, strategy in STRATEGIES.items():
        found = shares(table, strategy, 1, given.seeds)
        longer = shares(table, strategy, PROJECTED_SLOWDOWN, given.seeds)
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
        f"reference point (ln 700, 7): median (quartiles).\n"
    )


def _spread(values: np.ndarray) -> str:
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75), method="nearest")
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
