"""A study's storage: what is written to Optuna's, and what is read of it.

Every trial, its recipe, state, scores and reason lives in one append-only file, or in a database
where one is asked for; the driver alone writes it. Optuna's states are used so that its samplers
see the truth: COMPLETE with values, FAIL with a reason, PRUNED for what was stopped early, and
with its constraint violated for what cannot be built or is over a limit: with scores, but without
values, since Optuna's dashboard takes those that are COMPLETE for the best, whatever they violate.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from diffusion.recipe import Recipe
from study.results.limits import constraint_of, excesses, over_limits, scores_of
from study.results.objectives import Scores, objective_values
from study.results.records import TrialRecord
from study.results.screenings import Screening
from study.results.words import name_recipe
from study.run.folder import JOURNAL_NAME, has_trials
from study.run.for_dashboard import Dashboard, Pictures
from study.run.journal_file import Journal
from study.run.opening import Place, name_study, open_study, settle
from study.run.settings import RunSettings
from study.run.trial_attributes import OURS, RECIPE, RUNG_PREFIX, SCREENED, attributes
from study.run.trial_records import TrialRecords

FEASIBLE = "recipe"  # The constraint: 0 when the recipe can be built, 1 when not.
DESIGN = "design"  # An attribute of the study: the engine's own design, as knob values.
IN_LINE = "fixed_params"  # Optuna's attribute of the trials that were put in line: their knobs.


class StudyStorage:
    """One study in one journal file, in a database, or in memory alone.

    Where its database cannot be used any more, every method raises an OSError of one line.
    """

    def __init__(
        self,
        place: Place,
        objectives: tuple[str, ...],
        limits: Mapping[str, float] | None = None,
        *,
        begin: bool = True,
        pictures: Pictures | None = None,
    ) -> None:
        """Open the study, or begin it where there is none.

        Args:
            place: path of its journal, or its database; None keeps it in memory, for a replay.
            objectives: names of the scores to minimise or maximise.
            limits: the most, or least, of a score, by its key; None for those of the study.
            begin: whether it is begun in a database that does not have it.
            pictures: of a run that this process writes; None where nothing is shown of it.

        Raises:
            ValueError: it is none of ours, has other objectives or limits, or is not there.
            OSError: its database cannot be reached.
        """
        self.objectives = objectives
        self._storage, self._study = open_study(place, objectives, begin=begin)
        self._dashboard = Dashboard(self._study, objectives, pictures)
        self._study_id = self._storage.get_study_id_from_name(self._study.study_name)
        self._records = TrialRecords(objectives, name_study(place))
        settle(self._study, "objectives", list(objectives))
        self.limits: dict[str, float] = settle(self._study, "limits", limits, {})

    def at_once(self) -> AbstractContextManager[None]:
        """Write what is written meanwhile as one, at the end, where the storage is a file."""
        return self._storage.at_once() if isinstance(self._storage, Journal) else nullcontext()

    def enqueue(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put knob values in line to be asked for first; those already there are skipped."""
        for row in rows:
            self._study.enqueue_trial(dict(row), skip_if_exists=True)

    def settle_design(self, make: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
        """Return the design that the study has, made where there is neither one nor a trial.

        It is kept whole before any of it is in line, so that a study goes on with the same one.
        """
        if DESIGN not in self._study.user_attrs:
            rows = [] if self.frozen_trials() else make()
            self._study.set_user_attr(DESIGN, rows)
        rows_kept: list[dict[str, Any]] = self._study.user_attrs[DESIGN]
        return rows_kept

    def ask(self, sampler: optuna.samplers.BaseSampler) -> optuna.Trial:
        """Start a trial whose knobs the sampler draws, unless one is in line."""
        self._study.sampler = sampler
        return self._study.ask()

    def reopen(self, number: int, sampler: optuna.samplers.BaseSampler) -> optuna.Trial:
        """Return a running trial that a crash left without a recipe; known knobs stay."""
        self._study.sampler = sampler
        return self._trial(number)

    def accept(self, trial: optuna.Trial, recipe: Recipe) -> None:
        """Keep the recipe of a started trial."""
        with self.at_once():
            trial.set_constraint(FEASIBLE, 0.0)
            self._set_ours(trial.number, RECIPE, recipe.to_dict())
            self._set_attrs(trial.number, model=name_recipe(recipe))

    def refuse(self, trial: optuna.Trial, reason: str) -> None:
        """End a trial that is not to be run; samplers avoid what is like it."""
        with self.at_once():
            if FEASIBLE not in trial.constraints:
                trial.set_constraint(FEASIBLE, 1.0)
            trial.set_user_attr("reason", reason)
            self._study.tell(trial.number, state=TrialState.PRUNED)

    def withdraw(self, number: int, reason: str) -> None:
        """End an accepted trial that is not to be run after all; it does not count."""
        trial = self._trial(number)
        trial.set_constraint("wanted", 1.0)
        self.refuse(trial, reason)

    def keep_place(self, number: int, place: str) -> None:
        """Keep where a running trial's worker is."""
        self._set_attrs(number, place=place)

    def keep_rung(self, number: int, train_images: int, scores: Scores) -> None:
        """Keep what a running trial's uncompressed training scored on its way."""
        self._set_ours(number, f"{RUNG_PREFIX}{train_images}", scores)

    def keep_screened(self, number: int, screenings: Sequence[Screening]) -> None:
        """Keep what a running trial's worker screened, beside what it screened before."""
        kept = attributes(self._frozen(number)).get(SCREENED, [])
        self._set_ours(number, SCREENED, [*kept, *(s.to_dict() for s in screenings)])

    def complete(self, number: int, scores: Scores, wall_seconds: float) -> None:
        """End a trial with its scores; without finite objectives it is a failure."""
        try:
            values = objective_values(scores, self.objectives)
            objective_values(scores, scores_of(self.limits))
        except ValueError as error:
            self.fail(number, str(error), wall_seconds, scores.get("trained_images"))
            return
        reason = over_limits(scores, self.limits)
        with self.at_once():
            self._set_ours(number, "scores", scores)
            reasons = {} if reason is None else {"reason": reason}
            self._set_attrs(number, wall_seconds=wall_seconds, **reasons)
            self._dashboard.show(self._frozen(number), scores, is_over=reason is not None)
            trial = self._trial(number)
            for key, share in excesses(scores, self.limits).items():
                trial.set_constraint(constraint_of(key), share)
            ended = (values,) if reason is None else (None, TrialState.PRUNED)
            self._study.tell(number, *ended)

    def keep_note(self, number: int | None, text: str) -> None:
        """Keep what the dashboard shows as a note on a trial, or on the study for None."""
        with self.at_once():
            self._dashboard.note(None if number is None else self._trial_id(number), text)

    def prune(
        self, number: int, reason: str, wall_seconds: float, trained_images: int | None = None
    ) -> None:
        """End a trial that was stopped early; the arguments are as those of `fail`."""
        self._end(number, TrialState.PRUNED, reason, wall_seconds, trained_images)

    def fail(
        self,
        number: int,
        reason: str,
        wall_seconds: float | None = None,
        trained_images: int | None = None,
    ) -> None:
        """End a trial as failed.

        Args:
            wall_seconds: that it took, where known.
            trained_images: that it was trained on until then, where known.
        """
        self._end(number, TrialState.FAIL, reason, wall_seconds, trained_images)

    def _end(
        self,
        number: int,
        state: TrialState,
        reason: str,
        wall_seconds: float | None,
        trained_images: int | None,
    ) -> None:
        with self.at_once():
            self._set_attrs(number, reason=reason, wall_seconds=wall_seconds)
            if trained_images is not None:
                self._set_attrs(number, trained_images=trained_images)
            self._study.tell(number, state=state)

    def record(self, number: int) -> TrialRecord:
        """Return one trial."""
        return self._records.of(self._frozen(number))

    def records(self) -> list[TrialRecord]:
        """Return every trial, by number."""
        return [self._records.of(trial) for trial in self.frozen_trials()]

    def frozen_trials(self) -> list[FrozenTrial]:
        """Return Optuna's own view of the trials, not copied: do not change them."""
        return self._study.get_trials(deepcopy=False)

    def was_in_line(self, number: int) -> bool:
        """Whether a trial's knobs were put in line, not drawn."""
        return IN_LINE in self._frozen(number).system_attrs

    def rows_put_in_line(self) -> list[dict[str, Any]]:
        """Return the knob values that were ever put in line, by trial."""
        attrs = [trial.system_attrs for trial in self.frozen_trials()]
        return [dict(each[IN_LINE]) for each in attrs if IN_LINE in each]

    def _frozen(self, number: int) -> FrozenTrial:
        """Return Optuna's own view of one trial, without a look at the others."""
        return self._storage.get_trial(self._trial_id(number))

    def _trial(self, number: int) -> optuna.Trial:
        return optuna.Trial(self._study, self._trial_id(number))

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)

    def _set_attrs(self, number: int, **attrs: Any) -> None:
        """Keep what people read in the dashboard, and programs where it is a number or a text."""
        trial_id = self._trial_id(number)
        for name, value in attrs.items():
            self._storage.set_trial_user_attr(trial_id, name, value)

    def _set_ours(self, number: int, name: str, value: Any) -> None:
        """Keep what programs read."""
        self._storage.set_trial_system_attr(self._trial_id(number), f"{OURS}{name}", value)


def open_storage(run_dir: Path, settings: RunSettings) -> StudyStorage:
    """Open the study of a run that this process has to itself, where its settings say it is.

    It is begun where there is none; but not in a database once the run's folder has trials.

    Raises:
        ValueError: it is none of ours, has other objectives or limits, or is not there.
        OSError: its database cannot be reached.
    """
    place = settings.database or run_dir / JOURNAL_NAME
    asked = place, settings.objectives, settings.limits
    return StudyStorage(*asked, begin=not has_trials(run_dir), pictures=Pictures(run_dir))
