"""The front: finished trials that no other one dominates."""

from collections.abc import Sequence

from diffusion.compress.package import PACKAGE_NAME
from study.results.dominance import non_dominated
from study.results.limits import OVER_A_LIMIT
from study.results.objectives import costs
from study.results.records import TrialRecord
from study.results.rows import FrontRow, as_row


def front_records(
    records: Sequence[TrialRecord], objectives: tuple[str, ...]
) -> list[TrialRecord]:
    """Return the trials on the front, smallest first.

    Trials that are not complete or exceed a limit are left out, and once some are verified, those
    that are not.

    Args:
        records: of all trials.
        objectives: names of the scores that are minimised or maximised.

    Raises:
        ValueError: a complete trial lacks an objective, or has one that is not finite.
    """
    complete = [r for r in records if r.state == "complete" and r.feasible and r.scores]
    verified = [record for record in complete if (record.scores or {}).get("verified_seeds")]
    complete = verified or complete
    values = [costs(record.scores or {}, objectives) for record in complete]
    front = [complete[position] for position in non_dominated(values)]
    return sorted(front, key=lambda r: ((r.scores or {})["size_bytes"], r.number))


def front_rows(records: Sequence[TrialRecord], objectives: tuple[str, ...]) -> list[FrontRow]:
    """Return the front as rows, smallest first.

    Args:
        records: of all trials.
        objectives: names of the scores that are minimised or maximised.

    Returns:
        The columns of `as_row`, after a `rank` from 1 on; each `package_path` begins at the run's
        folder, in a folder of the point's own that is named by its rank and trial.
    """
    front = front_records(records, objectives)
    width = max(2, len(str(len(front))))
    rows = []
    for rank, record in enumerate(front, start=1):
        folder = f"front/{rank:0{width}d}-{record.number}"
        rows.append({"rank": rank, **as_row(record, f"{folder}/{PACKAGE_NAME}")})
    return rows


def why_no_front(records: Sequence[TrialRecord]) -> str:
    """Say why none of the trials is on a front: none is complete, or none keeps to the limits.

    Args:
        records: of all trials, none of which is on the front.
    """
    over = [record.reason for record in records if record.outcome == OVER_A_LIMIT]
    why = f"keeps to the limits (the last: {over[-1]})" if over else "is complete"
    return f"no trial {why}, so there is no front"
