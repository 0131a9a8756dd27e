"""The parts of the engine put together for a run."""

import time

from diffusion.recipe import DataConfig, Recipe
from search_spaces.space import SearchSpace
from study.engine.budget import Budget
from study.engine.design import with_design
from study.engine.dispatcher import Dispatcher
from study.engine.feasibility import excess
from study.engine.proposer import Proposer
from study.engine.trainings import Trainings
from study.engine.watcher import Listener, Listeners
from study.run.run import Run
from study.run.storage import StudyStorage
from study.run.time_budget import seconds_left


def dispatcher_of(
    run: Run, space: SearchSpace, storage: StudyStorage, *listeners: Listener
) -> Dispatcher:
    """Return what proposes the trials that are missing and decides when they end.

    Args:
        run: with the records so far.
        space: the run's.
        storage: of the run's study.
        listeners: are told what happens.
    """
    settings = run.settings
    stored = [(backbone.key, backbone.training.train_images) for backbone in settings.backbones]
    trainings = Trainings(run.records, settings.objectives, reuse=settings.reuse, stored=stored)

    def refusal(recipe: Recipe) -> str | None:
        return trainings.refusal(recipe) or excess(recipe, settings.limits)

    data = DataConfig.from_dict(settings.data)
    proposer = Proposer(
        with_design(space, data, storage, settings.seed, settings.trials, screens=settings.reuse),
        data,
        storage,
        settings.seed,
        reuse=settings.reuse,
        refusal=refusal,
    )
    seconds = seconds_left(settings, run.records)
    budget = Budget(
        settings.trials,
        None if seconds is None else time.time() + seconds,
        settings.train_images_total,
    )
    return Dispatcher(
        proposer,
        trainings,
        budget,
        Listeners(listeners),
        retries=settings.retries,
    )
