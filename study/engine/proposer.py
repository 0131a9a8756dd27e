"""Proposals: which recipe is tried next.

First what is in line: the space's covering design, so that every level of every knob occurs, or a
sweep. Then a new backbone, for as long as they cost no more than scoring does, or another
compression of a backbone near the front; Optuna's TPE draws either from its own view.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from diffusion.networks import build_network
from diffusion.recipe import DataConfig, NetworkConfig, Recipe
from search_spaces.space import SearchSpace
from study.engine.history import History, Knobs, all_knobs, backbone_knobs
from study.engine.views import backbone_view, compression_view, draw, fixing, tpe
from study.run.storage import StudyStorage

# Draws from which TPE takes the most promising one, anew after each that is known already; 0 is
# a draw at random. A good part of the space is soon exhausted, and TPE would not leave it.
CANDIDATES = (24, 3, 0, 0, 0, 0, 0, 0)
# Before compressions are worth a closer look, however long a training takes.
LEAST_BACKBONES = 4
CHANCES = 3  # Compressions refused, after which a backbone is not drawn any more.
MOST_REFUSALS = 100  # In a row; then the space is taken to be exhausted.
Refusal = Callable[[Recipe], str | None]


class Proposer:
    """Asks a study for its next trials.

    Attributes:
        storage: of the study; proposals depend on the finished trials in it.
    """

    def __init__(
        self,
        space: SearchSpace,
        data: DataConfig,
        storage: StudyStorage,
        seed: int,
        *,
        reuse: bool = True,
        refusal: Refusal | None = None,
    ) -> None:
        """Take up a study.

        Args:
            reuse: whether backbones are; without, one TPE draws all knobs together.
            refusal: says why a new recipe that can be built is not to be run, or None.
        """
        self.storage = storage
        self._space = space
        self._data = data
        self._seed = seed
        self._reuse = reuse
        self._refusal = refusal
        self._buildable: set[NetworkConfig] = set()
        self._history = History(storage.objectives)
        self._known: dict[str, int] = {}
        self._open: list[int] = []  # Trials that have not ended, as far as is known.
        self._num_seen = 0
        self._take_up()
        storage.enqueue(space.covering)

    def propose(self) -> tuple[int, Recipe] | None:
        """Start the next trial that can be built, is new and is not refused.

        Returns:
            Its number and recipe, or None where the space holds nothing new any more.
        """
        for attempt in range(MOST_REFUSALS):
            # Where a view has nothing new any more, another part of the space may.
            trial = self._start(anywhere=attempt >= MOST_REFUSALS // 2)
            if proposal := self._accept(trial):
                return proposal
        return None

    def propose_swept(self) -> tuple[int, Recipe] | None:
        """Start the next trial of the sweep that can be built, is new and is not refused.

        Returns:
            Its number and recipe, or None where none is left.
        """
        for number in [*self._orphans, *self.storage.sweep_in_line()]:
            self._learn()
            sampler = self._sampler(number, anywhere=True)
            if number in self._orphans:
                self._orphans.remove(number)
                trial = self.storage.reopen(number, sampler)
            else:
                trial = self.storage.start(number, sampler)
            if proposal := self._accept(trial):
                return proposal
        return None

    def enqueue_sweep(self) -> None:
        """Put the space's sweep in line for every backbone on the front."""
        self._learn()
        backbones = {backbone_knobs(v.trial.params): None for v in self._history.front}
        rows = [{**dict(knobs), **row} for knobs in backbones for row in self._space.sweep]
        self.storage.enqueue_sweep([row for row in rows if self._is_new(row)])

    def _take_up(self) -> None:
        """Learn what there is, trial by trial, as the driver did that made it."""
        records, trials = self.storage.records(), self.storage.frozen_trials()
        for record, trial in zip(records, trials, strict=True):
            if record.recipe is not None:
                self._known[record.recipe.key] = record.number
                self._history.accept(trial.params)
            if trial.state.is_finished():
                self._history.take_in(record, trial)
            else:
                self._open.append(record.number)
        self._num_seen = len(records)
        self._orphans = [r.number for r in records if r.state == "running" and r.recipe is None]

    def _accept(self, trial: optuna.Trial) -> tuple[int, Recipe] | None:
        """Keep a started trial's number and recipe, or end it where it is not to be run."""
        try:
            recipe = self._space.suggest(trial, self._data)
            reason = self._why_not(recipe)
        except ValueError as error:  # InfeasibleRecipe, or a field out of bounds
            reason = str(error)
        if reason is not None:
            self.storage.refuse(trial, reason)
            return None
        self._known[recipe.key] = trial.number
        self._history.accept(trial.params)
        self.storage.accept(trial, recipe)
        return trial.number, recipe

    def _is_new(self, row: dict[str, Any]) -> bool:
        try:
            return self._space.recipe(row, self._data).key not in self._known
        except ValueError:
            return False  # it cannot be built

    def _why_not(self, recipe: Recipe) -> str | None:
        """Return why a recipe is not to be run, or None; raise ValueError if it cannot."""
        if recipe.key in self._known:
            return f"the same recipe as trial {self._known[recipe.key]}"
        if recipe.network not in self._buildable:
            build_network(recipe.network, recipe.data)
            self._buildable.add(recipe.network)
        return None if self._refusal is None else self._refusal(recipe)

    def _start(self, *, anywhere: bool) -> optuna.Trial:
        num_waiting = self._learn()
        if self._orphans:
            number = self._orphans.pop(0)
            return self.storage.reopen(number, self._sampler(number, anywhere=anywhere))
        number = self._num_seen - num_waiting
        return self.storage.ask(self._sampler(number, anywhere=anywhere or num_waiting > 0))

    def _learn(self) -> int:
        """Take in the trials that ended since; return how many wait in line."""
        records, trials = self.storage.records(), self.storage.frozen_trials()
        still_open = []
        for number in [*self._open, *range(self._num_seen, len(records))]:
            if trials[number].state.is_finished():
                self._history.take_in(records[number], trials[number])
            else:
                still_open.append(number)
        self._open, self._num_seen = still_open, len(records)
        return [trials[number].state for number in still_open].count(TrialState.WAITING)

    def _sampler(self, number: int, *, anywhere: bool) -> BaseSampler:
        """Return what draws the knobs of a trial; its seed is the study's and the trial's."""
        seed = draw_seed(self._seed, number)
        if anywhere:
            return RandomSampler(seed=seed)
        if not self._reuse:
            return tpe(seed)
        return fixing(self._draw(np.random.default_rng(seed)), RandomSampler(seed=seed))

    def _draw(self, generator: np.random.Generator) -> dict[str, Any]:
        """Draw a new backbone, or take one of the front's, and draw its other knobs."""
        history = self._history
        # Each once: a backbone with many compressions on the front needs no more of them.
        near = list(dict.fromkeys(backbone_knobs(v.trial.params) for v in history.front))
        backbone = self._draw_new_backbone(generator) if self._may_train() else None
        if backbone is None:
            # Before there is a front: any backbone that is trained or in training, or none at all.
            tried = [knobs for knobs, known in history.backbones.items() if known.tried]
            choices = near or tried or [()]
            backbone = choices[generator.integers(len(choices))]
        view = compression_view(history.backbones[knobs] for knobs in near)
        knobs: dict[str, Any] = {}
        for num_candidates in CANDIDATES:
            sampler = fixing(dict(backbone), _draw_sampler(generator, num_candidates))
            knobs = draw(view, sampler, self._space, self._data)
            if all_knobs(knobs) not in history.known:
                break
        return knobs

    def _draw_new_backbone(self, generator: np.random.Generator) -> Knobs | None:
        """Draw a backbone that was not tried, or return None where that does not succeed."""
        view = backbone_view(self._history.backbones.values())
        for num_candidates in CANDIDATES:
            knobs = draw(view, _draw_sampler(generator, num_candidates), self._space, self._data)
            known = self._history.backbones.get(backbone_knobs(knobs))
            if known is None or not (known.tried or len(known.variants) >= CHANCES):
                return backbone_knobs(knobs)
        return None

    def _may_train(self) -> bool:
        """Tell whether the share of new backbones is not used up."""
        share = self._history.new_share(1 - self._space.reuse_share)
        tried = sum(backbone.tried for backbone in self._history.backbones.values())
        return tried < LEAST_BACKBONES or tried + 1 <= share * (self._history.num_accepted + 1)


def _draw_sampler(generator: np.random.Generator, num_candidates: int) -> BaseSampler:
    seed = int(generator.integers(2**32))
    return tpe(seed, n_ei_candidates=num_candidates) if num_candidates else RandomSampler(seed)


def draw_seed(study_seed: int, number: int) -> int:
    """Return the seed of one draw, from the study's seed and the draw's number."""
    digest = hashlib.sha256(f"{study_seed}:{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
