"""Compressions that were screened beside trials, as a report's page has them."""

import heapq
from collections.abc import Sequence
from typing import Any

from study.display.report.metrics import figure
from study.results.records import TrialRecord
from study.results.screenings import EXACT, Screening

MOST = 2_000  # in a page: those that change least
COLUMNS = ("trial", "drift", *EXACT)
COMPRESSION = ("compression.", "ema.")  # how the knobs begin that tell one from another


def screened_of(records: Sequence[TrialRecord]) -> dict[str, Any]:
    """Return what was screened, as `columns` and `rows` of figures, and `names` of each.

    Args:
        records: of all trials.

    Returns:
        Also `total`, how many were screened, and `refused`, how many cannot be compressed so.
    """
    pairs = [(record.number, each) for record in records for each in record.screened]
    known = [(number, each) for number, each in pairs if each.drift is not None]
    kept = heapq.nsmallest(MOST, known, key=lambda pair: (pair[1].drift, pair[0]))
    return {
        "columns": COLUMNS,
        "rows": [[number, figure(s.drift), *_exact(s)] for number, s in kept],
        "names": [_name(screening) for _, screening in kept],
        "total": len(pairs),
        "refused": len(pairs) - len(known),
    }


def _exact(screening: Screening) -> list[float | None]:
    return [figure(screening.scores.get(name)) for name in EXACT]


def _name(screening: Screening) -> str:
    """Name a screening by its knobs that say how it is compressed."""
    knobs = {name: v for name, v in screening.knobs.items() if name.startswith(COMPRESSION)}
    parts = [f"{name.split('.')[-1]} {_text(value)}" for name, value in knobs.items()]
    return ", ".join(parts)


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
