"""Trials of the study's journal as records: what Optuna's states and attributes mean here."""

from optuna.trial import FrozenTrial, TrialState

from diffusion.recipe import Recipe
from study.results.records import State, TrialRecord

RUNG_PREFIX = "rung "  # of a trial's attributes, before the training images
_STATES: dict[TrialState, State] = {
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.FAIL: "failed",
    TrialState.PRUNED: "pruned",  # or infeasible, by its constraints
    TrialState.WAITING: "waiting",
}


def as_record(trial: FrozenTrial) -> TrialRecord:
    """Return a trial of the journal as a record."""
    attrs = trial.user_attrs
    recipe = attrs.get("recipe")
    feasible = all(excess <= 0 for excess in trial.constraints.values())
    refused = trial.state == TrialState.PRUNED and not feasible
    return TrialRecord(
        number=trial.number,
        state="infeasible" if refused else _STATES[trial.state],
        recipe=None if recipe is None else Recipe.from_dict(recipe),
        scores=attrs.get("scores"),
        reason=attrs.get("reason"),
        wall_seconds=attrs.get("wall_seconds"),
        feasible=feasible,
        rungs={
            int(name.removeprefix(RUNG_PREFIX)): scores
            for name, scores in attrs.items()
            if name.startswith(RUNG_PREFIX)
        },
        knobs=dict(trial.params),
        images_before_failure=attrs.get("trained_images"),
    )


class TrialRecords:
    """Records of trials; one that ended is read once."""

    def __init__(self) -> None:
        self._ended: dict[int, TrialRecord] = {}

    def of(self, trial: FrozenTrial) -> TrialRecord:
        """Return a trial as a record."""
        if trial.number not in self._ended:
            record = as_record(trial)
            if not trial.state.is_finished():
                return record
            self._ended[trial.number] = record
        return self._ended[trial.number]
