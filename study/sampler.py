"""Proposals: which recipe is tried next.

First the space's covering design, so that every level of every knob occurs. Then Optuna's TPE. Of
all trials a stated share must reuse a trained backbone: there the backbone's knobs are fixed to
those of a backbone near the front, and TPE draws the compression alone.
"""

import hashlib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, PartialFixedSampler, TPESampler

from diffusion.networks import build_network
from diffusion.recipe import DataConfig, Recipe
from search_spaces.space import BACKBONE_PREFIX, SearchSpace
from study.front import non_dominated
from study.storage import StudyStorage

MOST_REFUSALS = 100  # In a row; then the space is taken to be exhausted.


class Proposer:
    """Asks a study for its next trials.

    Attributes:
        storage: of the study; proposals depend on the finished trials in it.
    """

    def __init__(
        self, space: SearchSpace, data: DataConfig, storage: StudyStorage, seed: int
    ) -> None:
        self.storage = storage
        self._space = space
        self._data = data
        self._seed = seed
        records = storage.records()
        self._known = {r.recipe.key: r.number for r in records if r.recipe is not None}
        self._orphans = [r.number for r in records if r.state == "running" and r.recipe is None]
        storage.enqueue(space.covering)

    def propose(self) -> tuple[int, Recipe] | None:
        """Start the next trial that can be built and is new.

        Returns:
            Its number and recipe, or None where the space holds nothing new any more.
        """
        for attempt in range(MOST_REFUSALS):
            # Where every variant of the trained backbones was tried, a new one may come.
            trial = self._start(reuse=attempt < MOST_REFUSALS // 2)
            try:
                recipe = self._space.suggest(trial, self._data)
                if recipe.key not in self._known:
                    build_network(recipe.network, recipe.data)
            except ValueError as error:  # InfeasibleRecipe, or a field out of bounds
                self.storage.refuse(trial, str(error))
                continue
            if recipe.key in self._known:
                self.storage.refuse(trial, f"the same recipe as trial {self._known[recipe.key]}")
                continue
            self._known[recipe.key] = trial.number
            self.storage.accept(trial, recipe)
            return trial.number, recipe
        return None

    def _start(self, *, reuse: bool) -> optuna.Trial:
        if self._orphans:
            number = self._orphans.pop(0)
            return self.storage.reopen(number, self._sampler(number, reuse=reuse))
        states = [trial.state.name for trial in self.storage.frozen_trials()]
        number = len(states) - states.count("WAITING")
        return self.storage.ask(self._sampler(number, reuse=reuse))

    def _sampler(self, number: int, *, reuse: bool) -> BaseSampler:
        """Build the sampler of one draw; its seed is the study's and the draw's number."""
        seed, trials = draw_seed(self._seed, number), self.storage.frozen_trials()
        generator = np.random.default_rng(seed)
        backbone = self._backbone_to_reuse(trials, generator) if reuse else None
        with warnings.catch_warnings():
            # Only with groups does TPE model the knobs that exist in some trials alone.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = TPESampler(multivariate=True, group=True, seed=seed)
            return sampler if backbone is None else PartialFixedSampler(backbone, sampler)

    def _backbone_to_reuse(
        self, trials: Sequence[optuna.trial.FrozenTrial], generator: np.random.Generator
    ) -> dict[str, Any] | None:
        """Return the backbone knobs of a front trial, or None where a new one may be trained."""
        built = [trial for trial in trials if "recipe" in trial.user_attrs]
        backbones = {Recipe.from_dict(t.user_attrs["recipe"]).backbone_key for t in built}
        if len(backbones) + 1 <= (1 - self._space.reuse_share) * (len(built) + 1):
            return None
        complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
        front = [complete[i] for i in non_dominated([trial.values for trial in complete])]
        candidates = front or built  # before the first front: any backbone in training
        if not candidates:
            return None
        chosen = candidates[generator.integers(len(candidates))]
        return {k: v for k, v in chosen.params.items() if k.startswith(BACKBONE_PREFIX)}


def draw_seed(study_seed: int, number: int) -> int:
    """Return the seed of one draw, from the study's seed and the draw's number."""
    digest = hashlib.sha256(f"{study_seed}:{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
