"""The study's journal: the only file on Optuna's storage.

Every trial, its recipe, state, scores and reason lives in one append-only file that the driver
alone writes. Optuna's states are used so that its samplers see the truth: COMPLETE with values,
FAIL with a reason, PRUNED for what was stopped early, and with its constraint violated for what
cannot be built or is too large.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from diffusion.recipe import Recipe
from study.results.limits import excesses, over_limits
from study.results.objectives import OBJECTIVES, Scores, objective_values
from study.results.records import State, TrialRecord
from study.run.journal import journal_fault, mend_journal

STUDY_NAME = "study"
FEASIBLE = "recipe"  # The constraint: 0 when the recipe can be built, 1 when not.
SWEEP = "sweep"  # An attribute of the trials that a sweep put in line.
RUNG_PREFIX = "rung "  # of a trial's attributes, before the training images
_STATES: dict[TrialState, State] = {
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.FAIL: "failed",
    TrialState.PRUNED: "pruned",  # or infeasible, by its constraints
    TrialState.WAITING: "waiting",
}


class StudyStorage:
    """One study in one journal file, or in memory alone."""

    def __init__(
        self,
        path: Path | None,
        objectives: tuple[str, ...],
        limits: Mapping[str, float] | None = None,
    ) -> None:
        """Open the journal, or begin it where there is none.

        Args:
            path: of the journal; None keeps the study in memory, for a replay.
            objectives: names of the scores to minimise or maximise.
            limits: the most that a score may be, by its name; None for those of the journal.

        Raises:
            ValueError: the file is no journal of ours, or has other objectives or limits.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.objectives = objectives
        self._ended: dict[int, TrialRecord] = {}
        if path is not None:
            mend_journal(path)
        try:
            self._study = optuna.create_study(
                storage=(
                    InMemoryStorage()
                    if path is None
                    else JournalStorage(JournalFileBackend(str(path)))
                ),
                study_name=STUDY_NAME,
                directions=[
                    "maximize" if OBJECTIVES[name].maximize else "minimize" for name in objectives
                ],
                load_if_exists=True,
            )
        except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
            raise ValueError(journal_fault(path, error)) from error
        self._settle("objectives", list(objectives))
        self.limits: dict[str, float] = self._settle("limits", limits, {})

    def _settle(self, name: str, value: Any, default: Any = None) -> Any:
        """Return what the study has of that name, which is the value where one is given."""
        known = self._study.user_attrs.get(name)
        if known is None:
            known = default if value is None else value
            self._study.set_user_attr(name, known)
        elif value is not None and known != value:
            raise ValueError(f"{name} are {value}, but the study has {known}; allowed: the same")
        return known

    def enqueue(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put knob values in line to be asked for first; those already there are skipped."""
        for row in rows:
            self._study.enqueue_trial(dict(row), skip_if_exists=True)

    def enqueue_sweep(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put knob values in line as those of a sweep, whether they were in line or not."""
        self.enqueue(rows)
        for trial in self._waiting():
            if trial.system_attrs["fixed_params"] in rows and SWEEP not in trial.user_attrs:
                self._set_attrs(trial.number, **{SWEEP: True})

    def sweep_in_line(self) -> list[int]:
        """Return the trials of sweeps that wait."""
        return [trial.number for trial in self._waiting() if SWEEP in trial.user_attrs]

    def ask(self, sampler: optuna.samplers.BaseSampler) -> optuna.Trial:
        """Start a trial whose knobs the sampler draws, unless one is in line."""
        self._study.sampler = sampler
        return self._study.ask()

    def start(self, number: int, sampler: optuna.samplers.BaseSampler) -> optuna.Trial:
        """Start a trial that is in line, before those ahead of it."""
        trial = self.reopen(number, sampler)
        self._study._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
        return trial

    def reopen(self, number: int, sampler: optuna.samplers.BaseSampler) -> optuna.Trial:
        """Return a running trial that a crash left without a recipe; known knobs stay."""
        self._study.sampler = sampler
        return self._trial(number)

    def accept(self, trial: optuna.Trial, recipe: Recipe) -> None:
        """Keep the recipe of a started trial."""
        trial.set_constraint(FEASIBLE, 0.0)
        trial.set_user_attr("recipe", recipe.to_dict())

    def refuse(self, trial: optuna.Trial, reason: str) -> None:
        """End a trial that is not to be run; samplers avoid what is like it."""
        if FEASIBLE not in trial.constraints:
            trial.set_constraint(FEASIBLE, 1.0)
        trial.set_user_attr("reason", reason)
        self._study.tell(trial.number, state=TrialState.PRUNED)

    def withdraw(self, number: int, reason: str) -> None:
        """End an accepted trial that is not to be run after all; it does not count."""
        trial = self._trial(number)
        trial.set_constraint("wanted", 1.0)
        self.refuse(trial, reason)

    def keep_rung(self, number: int, train_images: int, scores: Scores) -> None:
        """Keep what a running trial's uncompressed training scored on its way."""
        self._set_attrs(number, **{f"{RUNG_PREFIX}{train_images}": scores})

    def complete(self, number: int, scores: Scores, wall_seconds: float) -> None:
        """End a trial with its scores; without finite objectives it is a failure."""
        try:
            values = objective_values(scores, self.objectives)
            objective_values(scores, tuple(self.limits))
        except ValueError as error:
            self.fail(number, str(error), wall_seconds)
            return
        self._set_attrs(number, scores=scores, wall_seconds=wall_seconds)
        if reason := over_limits(scores, self.limits):
            self._set_attrs(number, reason=reason)
        trial = self._trial(number)
        for name, share in excesses(scores, self.limits).items():
            trial.set_constraint(f"max_{name}", share)
        self._study.tell(number, values)

    def prune(self, number: int, reason: str, wall_seconds: float) -> None:
        """End a trial that was stopped early."""
        self._set_attrs(number, reason=reason, wall_seconds=wall_seconds)
        self._study.tell(number, state=TrialState.PRUNED)

    def fail(self, number: int, reason: str, wall_seconds: float | None = None) -> None:
        """End a trial as failed."""
        self._set_attrs(number, reason=reason, wall_seconds=wall_seconds)
        self._study.tell(number, state=TrialState.FAIL)

    def record(self, number: int) -> TrialRecord:
        """Return one trial."""
        return self._as_record(self.frozen_trials()[number])

    def records(self) -> list[TrialRecord]:
        """Return every trial, by number."""
        return [self._as_record(trial) for trial in self.frozen_trials()]

    def frozen_trials(self) -> list[FrozenTrial]:
        """Return Optuna's own view of the trials, not copied: do not change them."""
        return self._study.get_trials(deepcopy=False)

    def _waiting(self) -> list[FrozenTrial]:
        return [trial for trial in self.frozen_trials() if trial.state == TrialState.WAITING]

    def _trial(self, number: int) -> optuna.Trial:
        return optuna.Trial(self._study, self.frozen_trials()[number]._trial_id)

    def _as_record(self, trial: FrozenTrial) -> TrialRecord:
        """Return a trial as a record; one that ended is read once."""
        if trial.number not in self._ended:
            record = _as_record(trial)
            if not trial.state.is_finished():
                return record
            self._ended[trial.number] = record
        return self._ended[trial.number]

    def _set_attrs(self, number: int, **attrs: Any) -> None:
        trial_id = self.frozen_trials()[number]._trial_id
        for name, value in attrs.items():
            self._study._storage.set_trial_user_attr(trial_id, name, value)


def read_records(path: Path, objectives: tuple[str, ...]) -> list[TrialRecord]:
    """Return the trials of a journal that another process may be writing.

    Raises:
        ValueError: the file is missing or no journal of ours.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        try:
            shutil.copyfile(path, copy)
        except OSError as error:
            raise ValueError(f"journal {path} cannot be read: {error}") from error
        try:
            return StudyStorage(copy, objectives).records()
        except ValueError as error:
            raise ValueError(str(error).replace(str(copy), str(path))) from error


def _as_record(trial: FrozenTrial) -> TrialRecord:
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
    )
