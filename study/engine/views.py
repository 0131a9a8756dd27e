"""Views of a study: the trials, as a sampler of Optuna's shall see them.

A backbone that is compressed many times floods a sampler that models all knobs together: fixed
knobs are dropped from what it draws, not from what it learns. So the training's knobs are drawn
where each backbone is seen once, with the best that it reached, and all other knobs where the
compressions of the backbones near the front are seen.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import optuna
from optuna.samplers import BaseSampler, PartialFixedSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial

from diffusion.recipe import DataConfig
from search_spaces.space import SearchSpace
from study.engine.history import BackboneHistory

MOST_COMPRESSIONS = 100  # The latest; a draw takes time for each.


def tpe(seed: int, **options: Any) -> BaseSampler:
    """Return a TPE over all knobs at once; only with groups does it model conditional ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(multivariate=True, group=True, seed=seed, **options)


def fixing(knobs: Mapping[str, Any], sampler: BaseSampler) -> BaseSampler:
    """Return a sampler that draws all but the given knobs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return PartialFixedSampler(dict(knobs), sampler)


def draw(
    trials: Sequence[FrozenTrial], sampler: BaseSampler, space: SearchSpace, data: DataConfig
) -> dict[str, Any]:
    """Draw knobs from a view; where a recipe cannot be built, those up to there."""
    num_objectives = next((len(trial.values) for trial in trials if trial.values), 1)
    study = optuna.create_study(
        storage=_View(trials), sampler=sampler, directions=["minimize"] * num_objectives
    )
    trial = study.ask()
    with suppress(ValueError):
        space.suggest(trial, data)
    return trial.params


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


def backbone_view(backbones: Iterable[BackboneHistory]) -> list[FrozenTrial]:
    """Return one trial a backbone, with its own knobs and the best that it reached."""
    ended = [backbone for backbone in backbones if backbone.trial is not None]
    ended.sort(key=lambda backbone: backbone.trial.number if backbone.trial else 0)
    return [training for backbone in ended if (training := backbone.training) is not None]


def compression_view(backbones: Iterable[BackboneHistory]) -> list[FrozenTrial]:
    """Return the latest compressions of some backbones.

    Their costs are relative to the best of their own backbone, so that those of a good and of a
    poor backbone can be compared.
    """
    pairs = [(variant, backbone) for backbone in backbones for variant in backbone.variants]
    pairs.sort(key=lambda pair: pair[0].number)
    trials = []
    for variant, backbone in pairs[-MOST_COMPRESSIONS:]:
        trial = variant.compression
        if variant.costs is not None and backbone.best is not None:
            pairs_of_costs = zip(variant.costs, backbone.best, strict=True)
            trial.values = [_relative(cost, best) for cost, best in pairs_of_costs]
        trials.append(trial)
    return trials


def _relative(cost: float, best: float) -> float:
    return (cost - best) / abs(best) if best else cost
