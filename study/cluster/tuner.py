"""Ray Tune runs the trials. The state that matters is the storage's.

Tune schedules, places and restarts workers; a thin searcher of ours hands it numbered recipes and
hears how they ended. Nothing is restored from Tune: a new Tuner on the same study runs what is
missing.
"""

import logging
from pathlib import Path
from typing import Any

from ray import tune

from study.cluster.crew import Crew
from study.cluster.resources import Resources
from study.cluster.scheduler import AtTheEnd, ParetoScheduler
from study.cluster.searcher import StudySearcher
from study.cluster.standby import STANDBY
from study.cluster.work import work
from study.engine.dispatcher import Dispatcher
from study.evaluation.context import Evaluate, RunContext

# The first would list failed trials once more, as an error of its own; the second tells of states
# that could not be saved, which nothing needs; the last says to stop where workers wait.
UNHEARD_LOGGERS = (
    "ray.tune.tune",
    "ray.tune.execution.experiment_state",
    "ray.tune.execution.insufficient_resources_manager",
)


def run_trials(
    dispatcher: Dispatcher,
    evaluate: Evaluate,
    context: RunContext,
    resources: Resources,
    scratch_dir: Path,
) -> None:
    """Run trials until the dispatcher has no more, or the user interrupts.

    Args:
        evaluate: called in a worker with a recipe and the trial's own context.
        scratch_dir: Tune's own files; on a cluster every node must see it.
    """
    crew = Crew(resources.capacity, resources.concurrent_trials_asked)
    searcher = StudySearcher(dispatcher, crew, what_waits=resources.what_waits)
    trainable = tune.with_resources(
        tune.with_parameters(work, evaluate=evaluate, context=context),
        {"cpu": resources.cpus_per_trial, "gpu": resources.gpus_per_trial},
    )
    for name in UNHEARD_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=ParetoScheduler(dispatcher, crew),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=_trial_name,
            trial_dirname_creator=_trial_name,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch_dir),
            # Tune itself would not start a trial again whose worker died before it began.
            failure_config=tune.FailureConfig(max_failures=0),
            verbose=0,
            stop=AtTheEnd(searcher),
        ),
    )
    tuner.fit()


def _trial_name(trial: Any) -> str:
    number = trial.config.get("number", STANDBY)
    return f"{number}-{trial.trial_id}"  # each attempt has an id of its own
