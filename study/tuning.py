"""Ray Tune runs the trials: the only file on Ray. The state that matters is the storage's.

Tune schedules, places and restarts workers; a thin searcher of ours hands it numbered recipes and
hears how they ended. Nothing is restored from Tune: a new Tuner on the same study runs what is
missing.
"""

import json
import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")
# Where Ray's own processes are gone, the driver ends after so long; the study can be resumed.
os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "20")

import ray
from ray import tune
from ray.tune.search import Searcher

from diffusion.recipe import Recipe
from study.context import Context
from study.dispatch import Dispatcher
from study.scheduler import ParetoScheduler
from study.worker import Evaluate, run_trial

# The one would list failed trials once more, as an error of its own; the other tells of states
# that could not be saved, which nothing needs.
UNHEARD_LOGGERS = ("ray.tune.tune", "ray.tune.execution.experiment_state")
PROCESS_DIED = "its worker process died"


@dataclass(frozen=True)
class Resources:
    """What a trial gets, and how many run at once."""

    cpus_per_trial: float
    gpus_per_trial: float
    concurrent_trials: int

    @property
    def threads(self) -> int:
        """Torch's threads in a trial."""
        return max(1, int(self.cpus_per_trial))

    @property
    def device(self) -> str:
        """Where a trial's tensors live."""
        return "cuda" if self.gpus_per_trial > 0 else "cpu"

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {**vars(self), "threads": self.threads, "device": self.device}


@contextmanager
def ray_session(address: str | None) -> Any:
    """Join a cluster, or start Ray on this machine alone."""
    if address is None:
        ray.init(
            address="local",
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    else:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()


def resolve_resources(
    cpus_per_trial: float | None, gpus_per_trial: float | None, concurrent_trials: int | None
) -> Resources:
    """Fill in what the user left open from what the cluster has.

    Raises:
        ValueError: the cluster cannot run a single trial with these.
    """
    have: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    cpus, gpus = have.get("CPU", 0.0), have.get("GPU", 0.0)
    cpus_each = 1.0 if cpus_per_trial is None else cpus_per_trial
    gpus_each = min(gpus, 1.0) if gpus_per_trial is None else gpus_per_trial
    if gpus_each > gpus:
        raise ValueError(
            f"--gpus-per-trial is {gpus_each:g}; allowed: up to the {gpus:g} there are"
        )
    if cpus_each > cpus:
        raise ValueError(
            f"--cpus-per-trial is {cpus_each:g}; allowed: up to the {cpus:g} there are"
        )
    fits = [int(cpus / cpus_each)] + ([int(gpus / gpus_each)] if gpus_each else [])
    return Resources(cpus_each, gpus_each, concurrent_trials or min(fits))


class StudySearcher(Searcher):
    """What Tune asks for trials: a thin adapter around the dispatcher."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__()
        self._dispatcher = dispatcher
        self._numbers: dict[str, int] = {}
        self._reasons: dict[str, str] = {}  # of trials about to break
        self._most_at_once = 1

    def suggest(self, trial_id: str) -> Any:
        """Return the next trial's config, None while nothing may start, or FINISHED."""
        if len(self._numbers) >= self._most_at_once:
            return None
        assignment = self._dispatcher.next()
        if assignment is None:
            over = self._dispatcher.ended or self._dispatcher.halted
            return Searcher.FINISHED if over else None
        self._numbers[trial_id] = assignment.number
        recipe = json.dumps(assignment.recipe.to_dict())
        return {"number": assignment.number, "recipe": recipe}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass a running trial's progress on."""
        number = self._numbers.get(trial_id)
        if number is None:
            return
        if "stage" in result:
            self._dispatcher.progress(number, result["stage"], result["share"])
        elif "warning" in result:
            self._dispatcher.warn(number, result["warning"])
        elif "attempt" in result:
            self._reasons[trial_id] = result["attempt"]

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Pass on how a trial ended."""
        number, result = self._numbers.pop(trial_id), result or {}
        reason = self._reasons.pop(trial_id, PROCESS_DIED)
        if "scores" in result:
            self._dispatcher.end(number, json.loads(result["scores"]), None)
        elif "reason" in result:
            self._dispatcher.end(number, None, result["reason"])
        elif error:
            self._dispatcher.break_off(number, reason)
        elif "rung" in result and self._dispatcher.is_stopped(number):
            self._dispatcher.end(number, None, None)
        else:  # cut off before it ended
            self._dispatcher.abandon(number, result.get("halt"))

    def save(self, checkpoint_path: str) -> None:
        """Write which trials run, for a person to read; nothing is restored from it."""
        Path(checkpoint_path).write_text(json.dumps(self._numbers))

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its searcher for a restore that is never made: leave all out."""
        return {}

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Take on the limit: Tune's own, wrapped around us, would lose a retried trial."""
        self._most_at_once = max_concurrent
        return True


def run_trials(
    dispatcher: Dispatcher,
    evaluate: Evaluate,
    context: Context,
    resources: Resources,
    scratch_dir: Path,
) -> None:
    """Run trials until the dispatcher has no more, or the user interrupts.

    Args:
        evaluate: called in a worker with a recipe and `context`; its trial_dir is the folder
            that holds all trials' folders.
        scratch_dir: Tune's own files; on a cluster every node must see it.
    """
    trainable = tune.with_resources(
        tune.with_parameters(_run_trial, evaluate=evaluate, context=context),
        {"cpu": resources.cpus_per_trial, "gpu": resources.gpus_per_trial},
    )
    for name in UNHEARD_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=StudySearcher(dispatcher),
            scheduler=ParetoScheduler(dispatcher),
            num_samples=-1,
            max_concurrent_trials=resources.concurrent_trials,
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
        ),
    )
    tuner.fit()


def _trial_name(trial: Any) -> str:
    return f"{trial.config['number']}-{trial.trial_id}"  # each attempt has an id of its own


def _run_trial(config: dict[str, Any], evaluate: Evaluate, context: Context) -> None:
    recipe = Recipe.from_dict(json.loads(config["recipe"]))
    run_trial(config["number"], recipe, evaluate, context, tune.report)
