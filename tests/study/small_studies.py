"""Studies of the quick space in tests of the engine, whose trials end as a test wants."""

from dataclasses import replace
from pathlib import Path

import optuna

from benchmarks.hand_made import HAND_MADE
from diffusion.recipe import DataConfig, NetworkConfig, Recipe, TrainingConfig
from search_spaces import load_space
from search_spaces.space import SearchSpace
from study.engine.admission import Refusal
from study.engine.budget import Budget
from study.engine.dispatcher import Dispatcher
from study.engine.effort import ANYTHING, Allowance
from study.engine.proposer import Nothing, Proposal, Proposer
from study.engine.running import Assignment
from study.engine.trainings import Trainings
from study.engine.watcher import Listener
from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.run.storage import StudyStorage

DATA = DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef")
OBJECTIVES = ("fid", "size_bytes")
SCORES: Scores = {"fid": 1.0, "size_bytes": 2}
ALL_BACKBONES = 24  # two architectures, widths and conditionings, three groups
BACKBONES = 6  # that the design made by hand trains
QUICK = replace(load_space("quick"), covering=HAND_MADE)


class Log(Listener):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.ends: list[tuple[int, str, str | None]] = []
        self.retries: list[tuple[int, str]] = []
        self.holds: list[tuple[int, str]] = []

    def on_retry(self, number: int, reason: str) -> None:
        self.retries.append((number, reason))

    def on_hold(self, number: int, reason: str) -> None:
        self.holds.append((number, reason))

    def on_end(self, record: TrialRecord) -> None:
        self.ends.append((record.number, record.state, record.reason))


def dispatcher(
    folder: Path | None,
    trials: int = 24,
    deadline: float | None = None,
    log: Log | None = None,
    *,
    space: SearchSpace = QUICK,
    refusal: Refusal | None = None,
    train_images: float | None = None,
    reuse: bool = True,
    retries: int = 0,
) -> Dispatcher:
    """Return what hands out trials, on a journal in a folder or in memory."""
    storage = StudyStorage(None if folder is None else folder / "study.journal", OBJECTIVES)
    trainings = Trainings(storage.records(), OBJECTIVES, reuse=reuse)

    def refused(recipe: Recipe) -> str | None:
        return trainings.refusal(recipe) or (None if refusal is None else refusal(recipe))

    proposer = Proposer(space, DATA, storage, seed=0, reuse=reuse, refusal=refused, num_screened=0)
    budget = Budget(trials, deadline, train_images)
    return Dispatcher(proposer, trainings, budget, log or Log(), retries=retries)


def take(source: Dispatcher, count: int) -> list[Assignment]:
    """Take so many trials, which must be there."""
    taken = [source.next() for _ in range(count)]
    assert all(assignment is not None for assignment in taken)
    return [assignment for assignment in taken if assignment is not None]


def take_all(source: Dispatcher, most: int = 1000) -> list[Assignment]:
    """Take trials until none is handed out, as so many idle workers would."""
    taken: list[Assignment] = []
    while len(taken) < most:
        assignment = source.next()
        if assignment is None and not source.looking:
            break
        taken += [] if assignment is None else [assignment]
    return taken


def proposed(source: Proposer, allowed: Allowance = ANYTHING) -> Proposal | None:
    """Return the next proposal, however often it has to be asked for; None where none is left."""
    while (proposal := source.propose(allowed)) is Nothing.NOT_YET:
        pass
    return None if isinstance(proposal, Nothing) else proposal


def states(folder: Path) -> dict[int, str]:
    """Return the states of the trials that began."""
    storage = StudyStorage(folder / "study.journal", OBJECTIVES)
    return {r.number: r.state for r in storage.records() if r.state != "waiting"}


def rung(fid: float, size_bytes: float) -> Scores:
    """Return scores of a training at its first rung."""
    return {"fid": fid, "size_bytes": size_bytes, "trained_images": 16_000}


def stop_one(source: Dispatcher) -> tuple[Assignment, list[Assignment]]:
    """Let three trainings reach a rung, of which the last is behind; return it and the others."""
    *others, behind = take(source, 3)
    for place, assignment in enumerate(others):
        assert source.judge(assignment.number, 16_000, rung(10 + place, 100 - place))
    assert not source.judge(behind.number, 16_000, rung(50, 500))
    return behind, others


def proposer(folder: Path, space: SearchSpace = QUICK, seed: int = 0) -> Proposer:
    """Return what proposes trials of a journal in a folder."""
    return Proposer(space, DATA, StudyStorage(folder / "study.journal", OBJECTIVES), seed)


def run(proposer: Proposer, trials: int) -> list[Recipe]:
    """Propose and finish trials, with scores made from the recipe's hash."""
    recipes = []
    for _ in range(trials):
        proposal = proposed(proposer)
        assert proposal is not None
        number, recipe = proposal
        share = int(recipe.key[:8], 16) / 16**8
        scores = {"fid": 1 + share, "size_bytes": 2 - share}
        proposer.storage.complete(number, scores, 1.0)
        recipes.append(recipe)
    return recipes


def scored(proposer: Proposer, number: int, recipe: Recipe, train_seconds: float) -> None:
    """Finish a trial that took the given seconds to train and ten to score."""
    share = int(recipe.key[:8], 16) / 16**8
    timings = {"train_seconds": train_seconds, "generate_seconds": 9.0, "score_seconds": 1.0}
    scores = {"fid": 1 + share, "size_bytes": 2 - share}
    proposer.storage.complete(number, {**scores, **timings}, 1.0)


def one_knob(trial: optuna.Trial, data: DataConfig) -> Recipe:
    """Draw a recipe of which the third cannot be built."""
    groups = trial.suggest_categorical("backbone.groups", [1, 2, 3])
    network = NetworkConfig("mini_ddpm", (8, 16), groups=groups, patch_size=2)
    return Recipe(data, network, TrainingConfig(train_images=64))


def rare(share: float) -> Refusal:
    """Refuse all but a share of the recipes, by their hash."""

    def refusal(recipe: Recipe) -> str | None:
        return None if int(recipe.key[:8], 16) < share * 16**8 else "refused"

    return refusal
