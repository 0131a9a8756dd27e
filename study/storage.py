"""The study's journal: the only file on Optuna's storage.

Every trial, its recipe, state, scores and reason lives in one append-only file that the driver
alone writes. Optuna's states are used so that its samplers see the truth: COMPLETE with values,
FAIL with a reason, PRUNED with its constraint violated for what cannot be built.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from diffusion.recipe import Recipe
from study.records import Scores, State, TrialRecord, objective_values

STUDY_NAME = "study"
FEASIBLE = "recipe"  # The constraint: 0 when the recipe can be built, 1 when not.
_STATES: dict[TrialState, State] = {
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.FAIL: "failed",
    TrialState.PRUNED: "infeasible",
    TrialState.WAITING: "waiting",
}


class StudyStorage:
    """One study in one journal file."""

    def __init__(self, path: Path, objectives: tuple[str, ...]) -> None:
        """Open the journal, or begin it where there is none.

        Raises:
            ValueError: the file is no journal of ours, or has other objectives.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        cut_torn_line(path)
        self.objectives = objectives
        try:
            self._study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(path))),
                study_name=STUDY_NAME,
                directions=["minimize"] * len(objectives),
                load_if_exists=True,
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"journal {path} cannot be read: {error}") from error
        known = self._study.user_attrs.get("objectives")
        if known is None:
            self._study.set_user_attr("objectives", list(objectives))
        elif known != list(objectives):
            raise ValueError(
                f"objectives are {list(objectives)}, but the study has {known}; allowed: the same"
            )

    def enqueue(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put knob values in line to be asked for first; those already there are skipped."""
        for row in rows:
            self._study.enqueue_trial(dict(row), skip_if_exists=True)

    def ask(self, sampler: optuna.samplers.BaseSampler) -> optuna.Trial:
        """Start a trial whose knobs the sampler draws, unless one is in line."""
        self._study.sampler = sampler
        return self._study.ask()

    def reopen(self, number: int, sampler: optuna.samplers.BaseSampler) -> optuna.Trial:
        """Return a running trial that a crash left without a recipe; known knobs stay."""
        self._study.sampler = sampler
        return optuna.Trial(self._study, self.frozen_trials()[number]._trial_id)

    def accept(self, trial: optuna.Trial, recipe: Recipe) -> None:
        """Keep the recipe of a started trial."""
        trial.set_constraint(FEASIBLE, 0.0)
        trial.set_user_attr("recipe", recipe.to_dict())

    def refuse(self, trial: optuna.Trial, reason: str) -> None:
        """End a trial whose recipe cannot be built or stands already; samplers avoid it."""
        trial.set_constraint(FEASIBLE, 1.0)
        trial.set_user_attr("reason", reason)
        self._study.tell(trial.number, state=TrialState.PRUNED)

    def complete(self, number: int, scores: Scores, wall_seconds: float) -> None:
        """End a trial with its scores; without finite objectives it is a failure."""
        try:
            values = objective_values(scores, self.objectives)
        except ValueError as error:
            self.fail(number, str(error), wall_seconds)
            return
        self._set_attrs(number, scores=scores, wall_seconds=wall_seconds)
        self._study.tell(number, values)

    def fail(self, number: int, reason: str, wall_seconds: float | None = None) -> None:
        """End a trial as failed."""
        self._set_attrs(number, reason=reason, wall_seconds=wall_seconds)
        self._study.tell(number, state=TrialState.FAIL)

    def record(self, number: int) -> TrialRecord:
        """Return one trial."""
        return _as_record(self.frozen_trials()[number])

    def records(self) -> list[TrialRecord]:
        """Return every trial, by number."""
        return [_as_record(trial) for trial in self.frozen_trials()]

    def frozen_trials(self) -> list[FrozenTrial]:
        """Return Optuna's own view of the trials, not copied: do not change them."""
        return self._study.get_trials(deepcopy=False)

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
        return StudyStorage(copy, objectives).records()


def cut_torn_line(path: Path) -> None:
    """Cut off a last journal line that a crash left unfinished.

    Optuna reads past it once, appends to it and can never read the file again.
    """
    if not path.exists():
        return
    with path.open("rb+") as journal:
        content = journal.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            journal.truncate(whole)
            os.fsync(journal.fileno())


def _as_record(trial: FrozenTrial) -> TrialRecord:
    recipe = trial.user_attrs.get("recipe")
    return TrialRecord(
        number=trial.number,
        state=_STATES[trial.state],
        recipe=None if recipe is None else Recipe.from_dict(recipe),
        scores=trial.user_attrs.get("scores"),
        reason=trial.user_attrs.get("reason"),
        wall_seconds=trial.user_attrs.get("wall_seconds"),
    )
