"""Which knobs mattered for each objective, by Optuna's importances."""

from collections.abc import Iterator, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from study.engine.draws import looking_at
from study.results.objectives import OBJECTIVES, cost
from study.results.records import TrialRecord
from study.results.rows import SEARCHED

FEWEST = 10  # Complete trials; of fewer, the best tenth that PED-ANOVA looks at is one trial.
USUAL = ("fid", "size_bytes", "latency_ms", "macs", "parameters")


def importances_of(
    records: Sequence[TrialRecord], objectives: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Return for each objective, and for other usual ones, how much each knob mattered.

    Args:
        records: of all trials.
        objectives: of the study; they come first.

    Returns:
        Of each its `metric`, `shares` as pairs of a knob and its share, the largest first, and
        `why`, where there are none.
    """
    complete = [record for record in records if record.state == "complete" and record.knobs]
    names = [*objectives, *(name for name in USUAL if name not in objectives)]
    return [{"metric": name, **_importances(complete, name)} for name in names]


def _importances(complete: Sequence[TrialRecord], name: str) -> dict[str, Any]:
    valued = [(r, value) for r in complete if (value := _value(r, name)) is not None]
    if why := _why_not(valued):
        return {"shares": [], "why": why}
    distributions = _distributions([record for record, _ in valued])
    study = looking_at([_as_trial(record, value, distributions) for record, value in valued])
    shares = optuna.importance.get_param_importances(study)
    return {"shares": [[knob, round(share, 4)] for knob, share in shares.items()], "why": None}


def _why_not(valued: Sequence[tuple[TrialRecord, float]]) -> str | None:
    if len(valued) < FEWEST:
        return f"it takes {FEWEST} complete trials, and {len(valued)} have this figure"
    if len({value for _, value in valued}) == 1:
        return "all trials have the same value"
    return None


def _value(record: TrialRecord, name: str) -> float | None:
    """Return what is to be minimised of a trial, as the search measured it."""
    scores = record.scores or {}
    value = (scores.get(SEARCHED) or {}).get(name, scores.get(name))
    return None if value is None else cost(name, float(value)) if name in OBJECTIVES else value


def _as_trial(
    record: TrialRecord, value: float, distributions: dict[str, BaseDistribution]
) -> FrozenTrial:
    return FrozenTrial(
        number=record.number,
        trial_id=record.number,
        state=TrialState.COMPLETE,
        value=value,
        params=dict(record.knobs),
        distributions={name: distributions[name] for name in record.knobs},
        datetime_start=None,
        datetime_complete=None,
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )


def _distributions(records: Sequence[TrialRecord]) -> dict[str, BaseDistribution]:
    """Return what the knobs may be, as far as the trials show it."""
    values: dict[str, list[Any]] = {}
    for record in records:
        for name, value in record.knobs.items():
            values.setdefault(name, []).append(value)
    return {name: _distribution(found) for name, found in values.items()}


def _distribution(values: Sequence[Any]) -> BaseDistribution:
    kinds = {type(value) for value in values}
    if kinds == {int}:
        return IntDistribution(min(values), max(values))
    if kinds <= {int, float}:
        return FloatDistribution(min(values), max(values))
    return CategoricalDistribution(list(_different(values)))


def _different(values: Sequence[Any]) -> Iterator[Any]:
    """Yield each value once; True is not 1."""
    seen = set()
    for value in values:
        if repr(value) not in seen:
            seen.add(repr(value))
            yield value
