"""Trials of the study's journal as records: what Optuna's states and attributes mean here."""

from optuna.trial import FrozenTrial, TrialState

from study.results.records import State, TrialRecord
from study.run.trial_attributes import read_attributes

_STATES: dict[TrialState, State] = {
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.FAIL: "failed",
    TrialState.PRUNED: "pruned",  # or by its constraints infeasible, or complete but over a limit
    TrialState.WAITING: "waiting",
}


def as_record(trial: FrozenTrial, objectives: tuple[str, ...], where: str) -> TrialRecord:
    """Return a trial of the journal as a record.

    Raises:
        ValueError: a value is not as we write it; the message names the journal and the trial.
    """
    known = read_attributes(trial, objectives, where)
    state = _STATES[trial.state]
    if state == "pruned" and not known["feasible"]:
        state = "infeasible" if known["scores"] is None else "complete"
    return TrialRecord(number=trial.number, state=state, **known)


class TrialRecords:
    """Records of trials; one that ended is read once."""

    def __init__(self, objectives: tuple[str, ...], where: str) -> None:
        """Begin with none.

        Args:
            objectives: scores that a complete trial has.
            where: the journal they are of, as it is called where it is not as we write it.
        """
        self._objectives, self._where = objectives, where
        self._ended: dict[int, TrialRecord] = {}

    def of(self, trial: FrozenTrial) -> TrialRecord:
        """Return a trial as a record."""
        if trial.number not in self._ended:
            record = as_record(trial, self._objectives, self._where)
            if not trial.state.is_finished():
                return record
            self._ended[trial.number] = record
        return self._ended[trial.number]
