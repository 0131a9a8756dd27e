"""Draws of a search space's knobs, by samplers of Optuna's and from any trials.

A sampler that draws from a view looks at no running trial and writes nothing, as `view_tpe`.
"""

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import optuna
from optuna.samplers import BaseSampler, PartialFixedSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial

from diffusion.errors import InvalidRecipe
from diffusion.recipe import DataConfig, Recipe
from search_spaces.space import SearchSpace
from study.engine.memory_trial import asked_of


def draw_seed(study_seed: int, *place: int) -> int:
    """Return the seed of one draw, from the study's seed and the draw's place in the study.

    Args:
        study_seed: of the whole study.
        place: the trial's number, and where there are several draws for it, that of the draw.
    """
    digest = hashlib.sha256(":".join(map(str, (study_seed, *place))).encode()).digest()
    return int.from_bytes(digest[:4], "big")


def tpe(seed: int, **options: Any) -> BaseSampler:
    """Return a TPE over all knobs at once; only with groups does it model conditional ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(multivariate=True, group=True, seed=seed, **options)


def view_tpe(seed: int, **options: Any) -> BaseSampler:
    """Return the same for a view, in which no other trial runs and nothing is to be written."""
    return tpe(seed, constant_liar=False, **options)


def fixing(knobs: Mapping[str, Any], sampler: BaseSampler) -> BaseSampler:
    """Return a sampler that draws all but the given knobs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return PartialFixedSampler(dict(knobs), sampler)


def draw(
    trials: Sequence[FrozenTrial], sampler: BaseSampler, space: SearchSpace, data: DataConfig
) -> dict[str, Any]:
    """Draw knobs from a view; where a recipe cannot be built, those up to there."""
    return next(draw_all(trials, [sampler], space, data))[0]


def draw_all(
    trials: Sequence[FrozenTrial],
    samplers: Iterable[BaseSampler],
    space: SearchSpace,
    data: DataConfig,
) -> Iterator[tuple[dict[str, Any], Recipe | None]]:
    """Draw knobs from a view by one sampler after the other.

    Yields:
        The knobs and their recipe; where it cannot be built, those up to there and None.
    """
    study = looking_at(trials)
    for sampler in samplers:
        trial, recipe = asked_of(study, sampler), None
        with suppress(InvalidRecipe):
            recipe = suggested(space, trial, data)
        yield trial.params, recipe


def begun(trials: Sequence[FrozenTrial], sampler: BaseSampler) -> optuna.Trial:
    """Begin a trial in memory, whose sampler sees a view."""
    study = looking_at(trials)
    study.sampler = sampler
    return study.ask()


def looking_at(trials: Sequence[FrozenTrial]) -> optuna.Study:
    """Return a study in memory of the given trials, none of which is copied."""
    num_objectives = next((len(trial.values) for trial in trials if trial.values), 1)
    return optuna.create_study(storage=_View(trials), directions=["minimize"] * num_objectives)


def suggested(space: SearchSpace, trial: Any, data: DataConfig) -> Recipe:
    """Return the recipe that a space draws from a trial of whatever kind.

    Raises:
        InvalidRecipe: what was drawn is no recipe.
        ValueError: the space is at fault.
    """
    try:
        return space.suggest(trial, data)
    except InvalidRecipe:
        raise
    except Exception as error:
        fault = f"search space {space.name!r} raised {type(error).__name__}: {error}"
        raise ValueError(fault) from error


def recipe_of(space: SearchSpace, knobs: Mapping[str, Any], data: DataConfig) -> Recipe:
    """Return the recipe of some knobs of a space, as `suggested` does of what is drawn."""
    return suggested(space, optuna.trial.FixedTrial(dict(knobs)), data)


class _View(InMemoryStorage):
    """A storage in which a sampler finds the given trials; nothing is copied."""

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        super().__init__()
        self._trials = trials

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Any = None
    ) -> list[FrozenTrial]:
        """Return the given trials in some states."""
        return [trial for trial in self._trials if states is None or trial.state in states]
