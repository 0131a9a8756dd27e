"""Filters: which of a study's finished trials a front is made of, once it has ended."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from diffusion.errors import did_you_mean
from study.results.limits import floor, over_limits
from study.results.objectives import check_objectives
from study.results.rows import LATER_SCORE_COLUMNS, ONNX_COLUMNS, SCORE_COLUMNS

FILTERED = (*SCORE_COLUMNS, *LATER_SCORE_COLUMNS, *ONNX_COLUMNS)


@dataclass(frozen=True)
class Filter:
    """What a front is asked for beyond what its study was.

    Attributes:
        objectives: of the front; None for the study's.
        most: what a score may be at most, by its name. It takes the place of the study's limit.
        least: what a score has to be at least, by its name. It takes that place, too.
    """

    objectives: tuple[str, ...] | None = None
    most: Mapping[str, float] = field(default_factory=dict)
    least: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no trial could be filtered by.

        Raises:
            ValueError: an objective or a score is unknown, or a bound is not finite.
        """
        if self.objectives is not None:
            check_objectives(self.objectives)
        for name, bound in (*self.most.items(), *self.least.items()):
            if name not in FILTERED:
                hint = did_you_mean(name, FILTERED)
                raise ValueError(f"bound is of {name!r}{hint}; allowed: {', '.join(FILTERED)}")
            if not _is_number(bound):
                raise ValueError(f"bound of {name} is {bound!r}; allowed: a finite number")

    def refusal(self, scores: Mapping[str, Any], limits: Mapping[str, float]) -> str | None:
        """Say why a trial is left out; None where it is not.

        Args:
            scores: of a complete trial.
            limits: of its study, by their keys.
        """
        replaced = {*self.most, *map(floor, self.least)}
        kept = {key: limit for key, limit in limits.items() if key not in replaced}
        asked = dict.fromkeys((*(self.objectives or ()), *self.most, *self.least))
        lacking = [name for name in asked if not _is_number(scores.get(name))]
        if lacking:
            return f"it has no {', '.join(lacking)}"
        over = [
            f"{name} {scores[name]:,.10g} is over {bound:,.10g}"
            for name, bound in self.most.items()
            if scores[name] > bound
        ]
        under = [
            f"{name} {scores[name]:,.10g} is under {bound:,.10g}"
            for name, bound in self.least.items()
            if scores[name] < bound
        ]
        return ", ".join(filter(None, (over_limits(scores, kept), *over, *under))) or None

    def __bool__(self) -> bool:
        """Whether it asks for anything."""
        return bool(self.objectives or self.most or self.least)


EVERYTHING = Filter()


def bounds(option: str, pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the bounds of scores by their names.

    Args:
        option: that they were given by.
        pairs: of a score's name and its bound.

    Raises:
        ValueError: one is given twice.
    """
    found: dict[str, float] = {}
    for name, bound in pairs:
        if name in found:
            raise ValueError(f"{option} is of {name!r} twice; allowed: each score once")
        found[name] = bound
    return found


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, Real) and not isinstance(value, bool)  # also one of a table
    return is_number and math.isfinite(value)
