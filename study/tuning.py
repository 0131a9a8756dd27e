"""Ray Tune runs the trials: the only file on Ray. The state that matters is the storage's.

Tune schedules, places and restarts workers; a thin searcher of ours hands it numbered recipes and
hears how they ended. Nothing is restored from Tune: a new Tuner on the same study runs what is
missing.
"""

import json
import logging
import os
import time
import traceback
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")

import ray
from ray import tune
from ray.tune.search import Searcher

from diffusion.recipe import Recipe
from study.context import Context
from study.dispatch import Dispatcher
from study.records import Scores

WORKER_DEATHS_ALLOWED = 1  # A trial whose process dies is started once more.
REPORT_EVERY_SECONDS = 1.0

Evaluate = Callable[[Recipe, Context], Scores]


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
        self._most_at_once = 1

    def suggest(self, trial_id: str) -> Any:
        """Return the next trial's config, None while nothing may start, or FINISHED."""
        if len(self._numbers) >= self._most_at_once:
            return None
        assignment = self._dispatcher.next()
        if assignment is None:
            return Searcher.FINISHED if self._dispatcher.ended else None
        self._numbers[trial_id] = assignment.number
        recipe = json.dumps(assignment.recipe.to_dict())
        return {"number": assignment.number, "recipe": recipe}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass a running trial's progress on."""
        if trial_id in self._numbers and "stage" in result:
            self._dispatcher.progress(self._numbers[trial_id], result["stage"], result["share"])

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Pass on how a trial ended."""
        number, result = self._numbers.pop(trial_id), result or {}
        if "scores" in result:
            self._dispatcher.end(number, json.loads(result["scores"]), None)
        elif "reason" in result:
            self._dispatcher.end(number, None, result["reason"])
        elif error:
            self._dispatcher.end(number, None, "its worker process died")
        else:  # cut off before it ended
            self._dispatcher.abandon(number)

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
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=StudySearcher(dispatcher),
            num_samples=-1,
            max_concurrent_trials=resources.concurrent_trials,
            reuse_actors=True,
            trial_name_creator=_trial_name,
            trial_dirname_creator=_trial_name,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch_dir),
            failure_config=tune.FailureConfig(max_failures=WORKER_DEATHS_ALLOWED),
            verbose=0,
        ),
    )
    tuner.fit()


def _trial_name(trial: Any) -> str:
    return f"{trial.config['number']}"


def _run_trial(config: dict[str, Any], evaluate: Evaluate, context: Context) -> None:
    """Evaluate one recipe in a worker; an error becomes the trial's reason and log."""
    last_report = 0.0

    def report_progress(stage: str, share: float) -> None:
        nonlocal last_report
        if time.monotonic() - last_report >= REPORT_EVERY_SECONDS:
            last_report = time.monotonic()
            tune.report({"stage": stage, "share": share})

    trial_dir = context.trial_dir / str(config["number"])
    recipe = Recipe.from_dict(json.loads(config["recipe"]))
    try:
        scores = evaluate(
            recipe, replace(context, trial_dir=trial_dir, on_progress=report_progress)
        )
    except Exception as error:  # the one place that turns an error into a recorded failure
        with suppress(OSError):  # a full disk must not hide the reason
            trial_dir.mkdir(parents=True, exist_ok=True)
            (trial_dir / "log.txt").write_text(traceback.format_exc())
        tune.report({"reason": f"{type(error).__name__}: {error}"})
    else:
        tune.report({"scores": json.dumps(scores)})
