"""What a driver knows of a study's trials: learned anew where it takes up, then as they end."""

from optuna.trial import FrozenTrial, TrialState

from diffusion.recipe import Recipe
from study.engine.admission import Admission
from study.engine.history import History
from study.engine.knob_sets import backbone_knobs
from study.engine.screened import Screened
from study.results.records import TrialRecord
from study.run.storage import StudyStorage


class Learning:
    """Takes in a study's trials, trial by trial, so that a restart knows what was known.

    Attributes:
        history: of the ended trials.
        screened: what was screened beside them.
        num_seen: how many trials there are, those in line with them.
        num_ended: how many of them ended.
        num_refused: how many trials in a row were refused, up to the last one.
        orphans: numbers of trials that a crash left without a recipe.
    """

    def __init__(self, storage: StudyStorage, admission: Admission) -> None:
        """Take up what the storage holds."""
        self._storage = storage
        self._admission = admission
        self._open: list[int] = []  # Trials that have not ended, as far as is known.
        self.history = History(storage.objectives)
        self.screened = Screened()
        self.num_seen = self.num_ended = self.num_refused = 0
        records, trials = storage.records(), storage.frozen_trials()
        for record, trial in zip(records, trials, strict=True):
            if record.recipe is not None:
                self.accept(record.number, record.recipe, trial.params)
            elif record.state == "infeasible":
                self.num_refused += 1
            if trial.state.is_finished():
                self._take_in(record, trial)
            else:
                self._open.append(record.number)
        self.num_seen = len(records)
        self.orphans = [r.number for r in records if r.state == "running" and r.recipe is None]

    def accept(self, number: int, recipe: Recipe, knobs: dict[str, object]) -> None:
        """Learn that a trial was started."""
        self.num_refused = 0
        self._admission.admit(recipe, number)
        self.history.accept(knobs)

    def learn(self) -> int:
        """Take in the trials that ended since; return how many wait in line."""
        trials, still_open = self._storage.frozen_trials(), []
        for number in [*self._open, *range(self.num_seen, len(trials))]:
            if trials[number].state.is_finished():
                self._take_in(self._storage.record(number), trials[number])
                self.num_ended += 1
            else:
                still_open.append(number)
        self._open, self.num_seen = still_open, len(trials)
        return [trials[number].state for number in still_open].count(TrialState.WAITING)

    def _take_in(self, record: TrialRecord, trial: FrozenTrial) -> None:
        own = backbone_knobs(trial.params)
        self.screened.add(s for s in record.screened if backbone_knobs(s.knobs) == own)
        self.history.take_in(record, trial)
