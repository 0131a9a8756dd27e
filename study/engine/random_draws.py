"""Draws of a search space's knobs at random, as RandomSampler makes them, but without a study.

They take a third of the time of a trial that is asked of one: a study screens twenty compressions
beside each trial, most of them at random.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FixedTrial

from diffusion.errors import InvalidRecipe
from diffusion.recipe import DataConfig, Recipe
from search_spaces.space import SearchSpace
from study.engine.draws import suggested

Distribution = CategoricalDistribution | FloatDistribution | IntDistribution


def draw_at_random(
    fixed: Mapping[str, Any], seeds: Iterable[int], space: SearchSpace, data: DataConfig
) -> Iterator[tuple[dict[str, Any], Recipe | None]]:
    """Draw knobs for each seed, but for those that are fixed.

    Yields:
        The knobs and their recipe; where it cannot be built, those up to there and None.
    """
    for seed in seeds:
        trial: Any = _RandomTrial(fixed, seed)
        recipe = None
        with suppress(InvalidRecipe):
            recipe = suggested(space, trial, data)
        yield trial.params, recipe


class _RandomTrial(FixedTrial):
    """A trial whose knobs are drawn when they are asked for, from the dictionary it reads."""

    def __init__(self, fixed: Mapping[str, Any], seed: int) -> None:
        self._known = dict(fixed)
        self._sampler: Any = RandomSampler(seed=seed)
        super().__init__(self._known)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Draw a number."""
        self._draw(name, FloatDistribution(low, high, log=log, step=step))
        return super().suggest_float(name, low, high, step=step, log=log)

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Draw a whole number."""
        self._draw(name, IntDistribution(low, high, log=log, step=step))
        return super().suggest_int(name, low, high, step=step, log=log)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Draw one of some values."""
        self._draw(name, CategoricalDistribution(choices))
        return super().suggest_categorical(name, choices)

    def _draw(self, name: str, distribution: Distribution) -> None:
        if name in self._known:
            return
        if distribution.single():  # takes nothing from the sampler's generator
            value: Any = (
                distribution.choices[0]
                if isinstance(distribution, CategoricalDistribution)
                else distribution.low
            )
        else:  # the sampler looks at neither study nor trial
            value = self._sampler.sample_independent(None, None, name, distribution)
        self._known[name] = value
