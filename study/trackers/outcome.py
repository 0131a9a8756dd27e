"""A trial as trackers log it: its knobs, its figures, and how it ended."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from diffusion.recipe import Recipe
from study.results.objectives import Scores
from study.results.records import TrialRecord

PICTURE = "samples.png"
Knob = str | int | float | bool


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        state: in words for people.
        figures: its scores that are numbers.
        conditions: its scores that are texts, such as the extractor, and the reason of its state.
        picture: its sample grid; None where it left none.
    """

    state: str
    figures: Mapping[str, float] = field(default_factory=dict)
    conditions: Mapping[str, str] = field(default_factory=dict)
    picture: Path | None = None

    @classmethod
    def of(cls, record: TrialRecord, run_dir: Path) -> Self:
        """Return how a trial of a run ended."""
        scores = record.scores or {}
        conditions = {name: value for name, value in scores.items() if isinstance(value, str)}
        if record.reason:
            conditions["reason"] = record.reason
        picture = run_dir / "trials" / str(record.number) / PICTURE
        is_there = bool(scores) and picture.is_file() and not picture.is_symlink()
        return cls(record.outcome, figures(scores), conditions, picture if is_there else None)


def knobs(recipe: Recipe) -> dict[str, Knob]:
    """Return a recipe's knobs by names like `network.widths`."""
    return dict(_flat(recipe.to_dict()))


def figures(scores: Scores) -> dict[str, float]:
    """Return those of a trial's scores that are finite numbers."""
    return {
        name: float(value)
        for name, value in scores.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Knob]]:
    found: list[tuple[str, Knob]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            found.append((f"{prefix}{name}", "-".join(map(str, value))))
        elif value is not None:
            found.append((f"{prefix}{name}", value))
    return found
