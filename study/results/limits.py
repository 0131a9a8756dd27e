"""Limits: the most that a score of a model on the front may be."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from study.results.objectives import OBJECTIVES, objective_values

NOISE = "fid_noise"
OVER_A_LIMIT = "over a limit"


def check_limits(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return limits by score.

    Args:
        pairs: of a score's name and the most that it may be.

    Raises:
        ValueError: a score is unknown, repeated or maximised, or a value not finite and above 0.
    """
    limits: dict[str, float] = {}
    for name, most in pairs:
        allowed = [o.name for o in OBJECTIVES.values() if not o.maximize and o.name not in limits]
        if name not in allowed:
            raise ValueError(f"limit is of {name!r}; allowed: {', '.join(allowed)}, each once")
        is_number = isinstance(most, int | float) and not isinstance(most, bool)
        if not is_number or not 0 < most < math.inf:
            raise ValueError(f"limit of {name} is {most!r}; allowed: a finite number above 0")
        limits[name] = most
    return limits


def excesses(scores: Mapping[str, Any], limits: Mapping[str, float]) -> dict[str, float]:
    """Return the shares by which a trial's scores exceed each limit; up to 0 within it.

    Every study has one limit more: a model that is worse than uniform noise is of no use.

    Args:
        scores: of a complete trial, one for each limit at least.
        limits: the most that a score may be, by its name.

    Returns:
        (value - limit) / limit by the score's name, and `fid_noise` for the limit that noise sets.
    """
    values = objective_values(scores, tuple(limits))
    shares = {
        name: (value - most) / most
        for (name, most), value in zip(limits.items(), values, strict=True)
    }
    if NOISE in scores:
        fid, noise = objective_values(scores, ("fid", NOISE))
        if noise <= 0:
            raise ValueError(f"{NOISE} is {noise}; allowed: a number above 0")
        shares[NOISE] = (fid - noise) / noise
    return shares


def over_limits(scores: Mapping[str, Any], limits: Mapping[str, float]) -> str | None:
    """Say which limits a trial's scores exceed; None where it keeps to them all.

    Args:
        scores: of a complete trial, one for each limit at least.
        limits: the most that a score may be, by its name.
    """
    over = []
    for name, share in excesses(scores, limits).items():
        if share > 0 and name == NOISE:
            noise = f"{scores[NOISE]:,.1f}"
            over.append(f"fid {scores['fid']:,.1f} is worse than uniform noise's {noise}")
        elif share > 0:
            over.append(f"{name} {scores[name]:,.10g} is over the limit {limits[name]:,.10g}")
    return ", ".join(over) or None
