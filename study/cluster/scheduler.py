"""What Tune asks whether a trial goes on: the dispatcher, seen as a scheduler of Tune's."""

import json
from collections import deque
from typing import Any

from ray.tune import Stopper
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from study.cluster.crew import Crew
from study.cluster.searcher import StudySearcher
from study.engine.dispatcher import Dispatcher

MOST_KEPT = 1_000_000  # Free processes for the next trials: all.


class ParetoScheduler(FIFOScheduler):
    """Stops trials whose trainings fall behind, and standbys that a trial takes over."""

    def __init__(self, dispatcher: Dispatcher, crew: Crew) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._dispatcher, self._crew = dispatcher, crew
        self._keeps_processes = False
        self._pending: deque[Any] = deque()  # trials of the study, as they were handed out

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Note a trial that is to run."""
        if not self._keeps_processes:
            # By itself Tune keeps one free process and ends others, where many trials end at once.
            tune_controller._actor_cache.increase_max(trial.placement_group_factory, MOST_KEPT)
            self._keeps_processes = True
        if "number" in trial.config:
            self._pending.append(trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """Return a trial of the study before any standby: a process is free for it."""
        while self._pending and self._pending[0].status != Trial.PENDING:
            self._pending.popleft()
        return self._pending[0] if self._pending else None

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Let a trial go on, unless it falls behind at a rung, or others overtook it there."""
        if trial.trial_id in self._crew:
            goes_on = not self._crew.is_released(trial.trial_id)
        elif "rung" in result:
            scores = json.loads(result["rung_scores"])
            goes_on = self._dispatcher.judge(trial.config["number"], result["rung"], scores)
        else:
            is_stopped = self._dispatcher.is_stopped(trial.config["number"])
            goes_on = "stage" not in result or not is_stopped
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its scheduler for a restore that is never made: leave all out."""
        return {}


class AtTheEnd(Stopper):
    """Ends the standbys, once no trial of the study runs and none is handed out any more."""

    def __init__(self, searcher: StudySearcher) -> None:
        self._searcher = searcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Return whether a trial is to end by what it reported: never."""
        return False

    def stop_all(self) -> bool:
        """Return whether all that still runs is to end."""
        return self._searcher.is_over and self._searcher.num_running == 0

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles it for a restore that is never made: leave all out."""
        return {}
