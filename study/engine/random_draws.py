"""Draws of a search space's knobs at random, as RandomSampler makes them, but without a study."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from optuna.samplers import RandomSampler

from diffusion.errors import InvalidRecipe
from diffusion.recipe import DataConfig, Recipe
from search_spaces.space import SearchSpace
from study.engine.draws import suggested
from study.engine.memory_trial import MemoryTrial


def draw_at_random(
    fixed: Mapping[str, Any], seeds: Iterable[int], space: SearchSpace, data: DataConfig
) -> Iterator[tuple[dict[str, Any], Recipe | None]]:
    """Draw knobs for each seed, but for those that are fixed.

    Yields:
        The knobs and their recipe; where it cannot be built, those up to there and None.
    """
    for seed in seeds:
        sampler: Any = RandomSampler(seed=seed)  # which looks at neither study nor trial
        draw = functools.partial(sampler.sample_independent, None, None)
        trial, recipe = MemoryTrial(fixed, draw), None
        with suppress(InvalidRecipe):
            recipe = suggested(space, trial, data)
        yield trial.params, recipe
