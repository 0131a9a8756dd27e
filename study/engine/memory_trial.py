"""A trial without a study: its knobs are drawn when they are asked for, and kept in order.

It takes a third of the time of a trial that is asked of a study, which writes each knob into a
storage: a study draws some thirty times for each of its trials, most of them to be screened.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    check_distribution_compatibility,
)
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FixedTrial, TrialState, create_trial

Distribution = CategoricalDistribution | FloatDistribution | IntDistribution
Draw = Callable[[str, Distribution], Any]


class MemoryTrial(FixedTrial):
    """Draws each knob once, but for those that are known."""

    def __init__(self, known: Mapping[str, Any], draw: Draw) -> None:
        """Begin with no knob asked for.

        Args:
            known: values that are not drawn.
            draw: returns the value of a knob that has more than one.
        """
        self._known, self._draw_one = dict(known), draw
        self._asked: dict[str, Any] = {}
        self._drawn_from: dict[str, BaseDistribution] = {}
        super().__init__(self._known)

    @property
    def params(self) -> dict[str, Any]:
        """The knobs that were asked for, in order."""
        return self._asked

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """What each of them is drawn from."""
        return self._drawn_from

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Draw a number."""
        return float(self._value(name, _float(low, high, log, step)))

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Draw a whole number."""
        return int(self._value(name, _int(low, high, log, step)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Draw one of some values."""
        return self._value(name, _categorical(tuple(choices), tuple(map(type, choices))))

    def _value(self, name: str, distribution: Distribution) -> Any:
        if name not in self._known:
            self._known[name] = self._drawn(name, distribution)
        self._asked[name] = self._known[name]
        if (before := self._drawn_from.setdefault(name, distribution)) is not distribution:
            check_distribution_compatibility(before, distribution)
        return self._known[name]

    def _drawn(self, name: str, distribution: Distribution) -> Any:
        if not distribution.single():
            return self._draw_one(name, distribution)
        # One value takes nothing from a sampler's generator.
        if isinstance(distribution, CategoricalDistribution):
            return distribution.choices[0]
        return distribution.low


def asked_of(study: Study, sampler: BaseSampler) -> MemoryTrial:
    """Return a trial that a sampler draws as it draws the trials of a study.

    Args:
        study: that the sampler sees.
        sampler: that looks at no trial that runs and writes nothing, as `view_tpe` and
            RandomSampler do.
    """
    running = create_trial(state=TrialState.RUNNING)
    sampler.before_trial(study, running)
    together = sampler.infer_relative_search_space(study, running)
    drawn = sampler.sample_relative(study, running, together)

    def draw(name: str, distribution: Distribution) -> Any:
        if name in drawn:
            check_distribution_compatibility(together[name], distribution)
            if distribution._contains(distribution.to_internal_repr(drawn[name])):
                return drawn[name]
        return sampler.sample_independent(study, running, name, distribution)

    return MemoryTrial({}, draw)


@functools.lru_cache(maxsize=1_000)
def _float(low: float, high: float, log: bool, step: float | None) -> FloatDistribution:
    return FloatDistribution(low, high, log=log, step=step)


@functools.lru_cache(maxsize=1_000)
def _int(low: int, high: int, log: bool, step: int) -> IntDistribution:
    return IntDistribution(low, high, log=log, step=step)


@functools.lru_cache(maxsize=1_000)
def _categorical(choices: tuple[Any, ...], kinds: tuple[type, ...]) -> CategoricalDistribution:
    """Return what draws one of some values; 1, 1.0 and True are three of them."""
    return CategoricalDistribution(choices)
