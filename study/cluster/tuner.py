"""Ray Tune runs the trials: the only file on Ray. The state that matters is the storage's.

Tune schedules, places and restarts workers; a thin searcher of ours hands it numbered recipes and
hears how they ended. Nothing is restored from Tune: a new Tuner on the same study runs what is
missing.
"""

import json
import logging
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from diffusion.recipe import Recipe
from study.cluster.resources import Resources
from study.engine.dispatcher import Dispatcher
from study.engine.worker import run_trial
from study.evaluation.context import Evaluate, RunContext

# The one would list failed trials once more, as an error of its own; the other tells of states
# that could not be saved, which nothing needs.
UNHEARD_LOGGERS = ("ray.tune.tune", "ray.tune.execution.experiment_state")
PROCESS_DIED = "its worker process died"


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
    context: RunContext,
    resources: Resources,
    scratch_dir: Path,
) -> None:
    """Run trials until the dispatcher has no more, or the user interrupts.

    Args:
        evaluate: called in a worker with a recipe and the trial's own context.
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


def _run_trial(config: dict[str, Any], evaluate: Evaluate, context: RunContext) -> None:
    recipe = Recipe.from_dict(json.loads(config["recipe"]))
    run_trial(config["number"], recipe, evaluate, context, tune.report)


class ParetoScheduler(FIFOScheduler):
    """Stops trials whose trainings fall behind; the dispatcher knows which do."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._dispatcher = dispatcher

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Let a trial go on, unless it reports a rung at which it falls behind."""
        if "rung" not in result:
            return str(TrialScheduler.CONTINUE)
        number = trial.config["number"]
        scores = json.loads(result["rung_scores"])
        if self._dispatcher.judge(number, result["rung"], scores):
            return str(TrialScheduler.CONTINUE)
        return str(TrialScheduler.STOP)

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its scheduler for a restore that is never made: leave all out."""
        return {}
