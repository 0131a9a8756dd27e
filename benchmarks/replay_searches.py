"""The searches that are compared on a recorded grid: Ray's plain one, and our engine's ways."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import optuna

from benchmarks.curves import Curves
from benchmarks.hypervolume import Moment
from benchmarks.replay_design import nearest_rows
from benchmarks.replay_world import World
from diffusion.recipe import DataConfig, Recipe
from search_spaces import load_space
from search_spaces.quick_grid import SEED_KNOB, TRAINING_SEEDS
from search_spaces.space import SearchSpace
from study.engine.budget import Budget
from study.engine.design import with_design
from study.engine.dispatcher import Dispatcher
from study.engine.early_stopping import Judge
from study.engine.proposer import MOST_REFUSALS, Proposer
from study.engine.running import Assignment
from study.engine.screening_draws import NUM_SCREENED
from study.engine.trainings import Trainings
from study.engine.watcher import Listener
from study.evaluation.replay_table import Table
from study.results.objectives import Scores
from study.run.storage import StudyStorage

OBJECTIVES = ("fid", "size_bytes")
PLAIN_TRIALS, MOST_TRIALS = 24, 100
Judging = Literal["nothing", "rungs", "curves"]


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

    def screened(self, number: int, found: Sequence[Mapping[str, Any]]) -> None:
        """Screen nothing: no trial of this search asks for any."""

    def progress(self, number: int, stage: str, share: float) -> None:
        """Wait for nothing."""

    def judge(self, number: int, train_images: int, scores: Scores) -> bool:
        """Stop nothing."""
        return True

    def end(self, number: int, scores: Scores | None, reason: str | None) -> None:
        """Tell the study."""
        self._study.tell(number, [(scores or {})[name] for name in OBJECTIVES])


class _OfSeed:
    """A trial that draws from the trainings of one seed, of which the search knows nothing."""

    def __init__(self, trial: optuna.Trial, seed: int) -> None:
        self._trial, self._seed = trial, seed

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Draw a level, but of the seed."""
        return self._seed if name == SEED_KNOB else self._trial.suggest_categorical(name, choices)

    def suggest_float(self, *arguments: Any, **options: Any) -> float:
        """Draw a level."""
        return self._trial.suggest_float(*arguments, **options)


def replayed_space(seed: int) -> SearchSpace:
    """Return the grid's space without rows, whose trainings have one of the recorded seeds."""
    grid = load_space("quick-grid")
    training_seed = TRAINING_SEEDS[seed % len(TRAINING_SEEDS)]

    def suggest(trial: optuna.Trial, data: DataConfig) -> Recipe:
        of_seed: Any = _OfSeed(trial, training_seed)
        return grid.suggest(of_seed, data)

    return replace(grid, suggest=suggest, covering=())


def plain(table: Table, slowdown: int, seed: int, target: float = math.inf) -> list[Moment]:
    """Run Ray's plain search: Optuna's default sampler, no trial knows of another's training."""
    return _every_trial_trains(table, slowdown, seed, target, optuna.samplers.TPESampler)


def random(table: Table, slowdown: int, seed: int, target: float) -> list[Moment]:
    """Draw every trial at random, and train it."""
    return _every_trial_trains(table, slowdown, seed, target, optuna.samplers.RandomSampler)


def _every_trial_trains(
    table: Table,
    slowdown: int,
    seed: int,
    target: float,
    sampler: Callable[..., optuna.samplers.BaseSampler],
) -> list[Moment]:
    world = World(table, slowdown, reuse=False, judges=False)
    return world.run(PlainSearch(world, replayed_space(seed), sampler(seed=seed)), target)


def engine(
    table: Table,
    slowdown: int,
    seed: int,
    target: float,
    *,
    judging: Judging = "rungs",
    by_hand: bool = False,
    screens: bool = True,
) -> list[Moment]:
    """Run our engine.

    Args:
        table: of a recorded grid.
        slowdown: of trainings and cool-downs.
        seed: of the search; its rest tells which trainings it meets.
        target: hypervolume at which it ends.
        judging: how trainings are judged on their way.
        by_hand: whether it begins with benchmarks.hand_made instead of its own design.
        screens: whether compressions are screened beside trials.
    """
    world, space = (
        World(table, slowdown, reuse=True, judges=judging != "nothing"),
        replayed_space(seed),
    )
    storage = StudyStorage(None, OBJECTIVES)
    trainings = Trainings([], OBJECTIVES, judge=_judge(table, slowdown, judging))
    if by_hand:
        space = replace(space, covering=nearest_rows())
    space = with_design(space, world.data, storage, seed, PLAIN_TRIALS, screens=screens)
    proposer = Proposer(
        space,
        world.data,
        storage,
        seed,
        refusal=lambda recipe: world.refusal(recipe) or trainings.refusal(recipe),
        num_screened=NUM_SCREENED if screens else 0,
    )
    budget = Budget(MOST_TRIALS)
    dispatcher = Dispatcher(proposer, trainings, budget, Listener(), clock=lambda: world.seconds)
    return world.run(dispatcher, target)


def _judge(table: Table, slowdown: int, judging: Judging) -> Judge | None:
    """Return what judges trainings; None for the engine's own rule, or where nothing is judged."""
    if judging != "curves":
        return None
    grid, data = load_space("quick-grid"), DataConfig.from_dict(table["conditions"]["data"])
    recipes = [grid.recipe(row["knobs"], data) for row in table["trials"]]
    return Curves({r.backbone_key: slowdown * r.training.train_images for r in recipes})


Strategy = Callable[[Table, int, int, float], list[Moment]]
STRATEGIES: dict[str, Strategy] = {
    "plain TPE (OptunaSearch's), every trial trains": plain,
    "random, every trial trains": random,
    "ours, nothing screened": lambda *a: engine(*a, screens=False),
    "ours, no training judged": lambda *a: engine(*a, judging="nothing"),
    "ours, trainings judged by learning curves": lambda *a: engine(*a, judging="curves"),
    "ours, begun with a design made by hand": lambda *a: engine(*a, by_hand=True),
    "ours": engine,
}
