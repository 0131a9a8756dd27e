"""Ray Tune runs the trials: one of the two files on Ray. The state that matters is the storage's.

Tune schedules, places and restarts workers; a thin searcher of ours hands it numbered recipes and
tells the storage how they ended. Nothing is restored from Tune: a new Tuner on the same study
runs what is missing.
"""

import json
import logging
import os
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")

import ray
from ray import tune
from ray.tune.search import Searcher

from diffusion.recipe import Recipe
from study.records import Scores, TrialRecord
from study.sampler import Proposer
from study.trial import Context

logger = logging.getLogger(__name__)

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


class Watcher(Protocol):
    """Is told what happens; the live table is one."""

    def on_start(self, number: int, recipe: Recipe) -> None:
        """A trial begins."""

    def on_progress(self, number: int, stage: str, share: float) -> None:
        """A running trial has done a share of a stage."""

    def on_end(self, number: int, scores: Scores | None, reason: str | None) -> None:
        """A trial is complete, or failed for a reason."""


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
    """Hands numbered recipes to Tune and tells the storage how they end.

    Trials that an earlier driver left running come first, under their own numbers. A recipe whose
    backbone a running trial is training is held back until that one is done.

    Attributes:
        ended: whether it had nothing more to hand out; false when a study was interrupted.
    """

    def __init__(
        self, proposer: Proposer, trials: int, deadline: float | None, watcher: Watcher
    ) -> None:
        super().__init__()
        self._proposer = proposer
        self._storage = proposer.storage
        self._trials = trials
        self._deadline = deadline
        self._watcher = watcher
        self.ended = False
        self._running: dict[str, tuple[int, Recipe, float]] = {}
        records = self._storage.records()
        self._finished = sum(record.finished for record in records)
        self._trained = {_trained_key(r) for r in records if r.state == "complete"}
        self._held = deque(
            (r.number, r.recipe) for r in records if r.state == "running" and r.recipe is not None
        )

    def suggest(self, trial_id: str) -> Any:
        """Return the next trial for Tune, None while nothing may start, or FINISHED."""
        next_trial = None if self._is_spent() else self._take_held() or self._take_new()
        if next_trial is None:
            # Tune asks again while trials run; without any, nothing more will come.
            self.ended = not self._running
            return Searcher.FINISHED if self.ended else None
        number, recipe = next_trial
        self._running[trial_id] = (number, recipe, time.time())
        self._watcher.on_start(number, recipe)
        return {"number": number, "recipe": json.dumps(recipe.to_dict())}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass a running trial's progress on."""
        if trial_id in self._running and "stage" in result:
            number = self._running[trial_id][0]
            self._watcher.on_progress(number, result["stage"], result["share"])

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the storage how a trial ended; one that was cut off stays running there."""
        number, _, start = self._running.pop(trial_id)
        wall_seconds = round(time.time() - start, 3)
        result = result or {}
        if result.get("scores") is not None:
            self._storage.complete(number, json.loads(result["scores"]), wall_seconds)
        elif result.get("reason") is not None:
            self._storage.fail(number, result["reason"], wall_seconds)
        elif error:
            self._storage.fail(number, "its worker process died", wall_seconds)
        else:
            return
        self._finished += 1
        record = self._storage.record(number)
        if record.state == "complete":
            self._trained.add(_trained_key(record))
        self._watcher.on_end(number, record.scores, record.reason)

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its searcher for a restore that is never made: leave all out."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Write which trials run, for a person to read; nothing is restored from it."""
        numbers = {trial_id: number for trial_id, (number, _, _) in self._running.items()}
        Path(checkpoint_path).write_text(json.dumps(numbers))

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Keep Tune from wrapping the limit around a retried trial, which it would lose."""
        return True

    def _is_spent(self) -> bool:
        late = self._deadline is not None and time.time() >= self._deadline
        return late or self._finished + len(self._running) >= self._trials

    def _take_held(self) -> tuple[int, Recipe] | None:
        for position, (number, recipe) in enumerate(self._held):
            if not self._in_training(recipe):
                del self._held[position]
                return number, recipe
        return None

    def _take_new(self) -> tuple[int, Recipe] | None:
        while len(self._running) + len(self._held) + self._finished < self._trials:
            proposal = self._proposer.propose()
            if proposal is None:
                if not self._running and not self._held:
                    logger.warning("the search space holds nothing new; the study ends early")
                return None
            if not self._in_training(proposal[1]):
                return proposal
            self._held.append(proposal)
        return None

    def _in_training(self, recipe: Recipe) -> bool:
        key = (recipe.backbone_key, recipe.training.train_images)
        return key not in self._trained and any(
            recipe.backbone_key == other.backbone_key for _, other, _ in self._running.values()
        )


def _trained_key(record: TrialRecord) -> tuple[str, int] | None:
    recipe = record.recipe
    return None if recipe is None else (recipe.backbone_key, recipe.training.train_images)


def run_trials(
    searcher: StudySearcher,
    evaluate: Evaluate,
    context: Context,
    resources: Resources,
    scratch_dir: Path,
) -> None:
    """Run trials until the searcher has no more, or the user interrupts.

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
            search_alg=searcher,
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
        trial_dir.mkdir(parents=True, exist_ok=True)
        (trial_dir / "log.txt").write_text(traceback.format_exc())
        tune.report({"reason": f"{type(error).__name__}: {error}"})
    else:
        tune.report({"scores": json.dumps(scores)})
