"""What Tune asks whether a trial goes on: the dispatcher, seen as a scheduler of Tune's."""

import json
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from study.engine.dispatcher import Dispatcher


class ParetoScheduler(FIFOScheduler):
    """Stops trials whose trainings fall behind; the dispatcher knows which do."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._dispatcher = dispatcher

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Let a trial go on, unless it falls behind at a rung, or others overtook it there."""
        number = trial.config["number"]
        if "rung" in result:
            scores = json.loads(result["rung_scores"])
            goes_on = self._dispatcher.judge(number, result["rung"], scores)
        else:
            goes_on = "stage" not in result or not self._dispatcher.is_stopped(number)
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its scheduler for a restore that is never made: leave all out."""
        return {}
