"""Limits: the most, or the least, that a score of a model on the front may be.

A study holds them by key: of the most a score's name, of the least one that says so (`floor`).
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from diffusion.errors import did_you_mean
from study.results.objectives import OBJECTIVES, objective_values

NOISE = "fid_noise"
OVER_A_LIMIT = "over a limit"
_FLOOR = "min "


def floor(name: str) -> str:
    """Return the key of the least that a score may be."""
    return f"{_FLOOR}{name}"


def score_of(key: str) -> str:
    """Return the name of the score that a key limits."""
    return key.removeprefix(_FLOOR)


def scores_of(limits: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the scores that are limited, each once."""
    return tuple(dict.fromkeys(map(score_of, limits)))


def most_and_least(
    limits: Mapping[str, float],
) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """Return the scores with the most, and those with the least, that they may be."""
    pairs = [(key.startswith(_FLOOR), (score_of(key), value)) for key, value in limits.items()]
    return [pair for least, pair in pairs if not least], [pair for least, pair in pairs if least]


def constraint_of(key: str) -> str:
    """Return what a limit is called among a trial's constraints."""
    return f"min_{score_of(key)}" if key.startswith(_FLOOR) else f"max_{key}"


def said(limits: Mapping[str, float]) -> list[str]:
    """Say each limit, like: size_bytes at most 500,000."""
    return [
        f"{score_of(key)} at {'least' if key.startswith(_FLOOR) else 'most'} {value:,.10g}"
        for key, value in limits.items()
    ]


def check_limits(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return limits by their keys.

    Args:
        pairs: of a key and a value: a score's name for the most of it, or its `floor`.

    Raises:
        ValueError: a score is unknown, limited twice, or maximised and given a most, a value is
            not finite and above 0, or no value is left to a score.
    """
    limits: dict[str, float] = {}
    for key, value in pairs:
        name, allowed = score_of(key), _limitable(key, limits)
        if name not in allowed:
            hint = "" if name in OBJECTIVES else did_you_mean(name, allowed)
            listed = ", ".join(allowed)
            raise ValueError(f"limit is of {name!r}{hint}; allowed: {listed}, each once")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 < value < math.inf:
            raise ValueError(f"limit of {name} is {value!r}; allowed: a finite number above 0")
        limits[key] = value
    for name in scores_of(limits):
        least, most = limits.get(floor(name), 0.0), limits.get(name, math.inf)
        if least > most:
            raise ValueError(
                f"least of {name} is {least:,.10g}, above its most; allowed: up to {most:,.10g}"
            )
    return limits


def _limitable(key: str, limits: Mapping[str, float]) -> list[str]:
    """Return the scores that another limit of a key's kind may be of."""
    if key.startswith(_FLOOR):
        return [name for name in OBJECTIVES if floor(name) not in limits]
    return [o.name for o in OBJECTIVES.values() if not o.maximize and o.name not in limits]


def excesses(scores: Mapping[str, Any], limits: Mapping[str, float]) -> dict[str, float]:
    """Return the shares by which a trial's scores break each limit; up to 0 within it.

    Every study has one limit more: a model that is worse than uniform noise is of no use.

    Args:
        scores: of a complete trial, one for each limit at least.
        limits: by their keys.

    Returns:
        (value - most) / most or (least - value) / least by the limit's key, and `fid_noise` for
        the limit that noise sets.
    """
    values = objective_values(scores, tuple(map(score_of, limits)))
    shares = {
        key: (limit - value if key.startswith(_FLOOR) else value - limit) / limit
        for (key, limit), value in zip(limits.items(), values, strict=True)
    }
    if NOISE in scores:
        fid, noise = objective_values(scores, ("fid", NOISE))
        if noise <= 0:
            raise ValueError(f"{NOISE} is {noise}; allowed: a number above 0")
        shares[NOISE] = (fid - noise) / noise
    return shares


def over_limits(scores: Mapping[str, Any], limits: Mapping[str, float]) -> str | None:
    """Say which limits a trial's scores break; None where it keeps to them all.

    Args:
        scores: of a complete trial, one for each limit at least.
        limits: by their keys.
    """
    over = []
    for key, share in excesses(scores, limits).items():
        if share > 0 and key == NOISE:
            noise = f"{scores[NOISE]:,.1f}"
            over.append(f"fid {scores['fid']:,.1f} is worse than uniform noise's {noise}")
        elif share > 0:
            name, beyond = score_of(key), "under" if key.startswith(_FLOOR) else "over"
            over.append(f"{name} {scores[name]:,.10g} is {beyond} the limit {limits[key]:,.10g}")
    return ", ".join(over) or None
