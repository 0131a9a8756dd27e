"""Which trials a verification draws from, and with how many seeds, round by round.

Those on the search's front get all seeds. The others within its reach get one first: of the same
noise for all, and of more images than the search's, it shows most of them to be out of reach.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from study.results.records import TrialRecord
from study.verification.confidence import within_reach
from study.verification.file import Verification
from study.verification.point import Plan
from study.verification.verified import judged

Round = list[tuple[TrialRecord, int]]  # With how many seeds each trial is to have after it.


def wanted(verification: Verification, plan: Plan, *, every: bool = False) -> list[TrialRecord]:
    """Return the trials to verify, those on the search's front first: time may be short.

    Args:
        verification: what is known so far.
        plan: what is asked for.
        every: whether all complete trials are to be verified.
    """
    seen = judged(verification, plan.num_images)
    if every:
        return seen.complete()
    front = {record.number for record in seen.front()}
    near = within_reach(seen.records, seen.objectives)
    fallen = _fallen(verification, plan, near)
    kept = [r for r in near if r.number in front or r.number not in fallen]
    return sorted(kept, key=lambda record: record.number not in front)


def next_round(
    verification: Verification,
    plan: Plan,
    tried: Collection[tuple[int, int]],
    *,
    every: bool = False,
) -> Round:
    """Return what to draw next; nothing where all is done that can be.

    Args:
        verification: what is known so far.
        plan: what is asked for.
        tried: numbers of trials, with the seeds that they were to have after earlier rounds.
        every: whether all complete trials are to be verified.
    """
    front = {record.number for record in judged(verification, plan.num_images).front()}

    def num_seeds(record: TrialRecord) -> int:
        at_once = every or record.number in front
        return plan.num_seeds if at_once or _has_first(verification, plan, record) else 1

    due = [(r, num_seeds(r)) for r in wanted(verification, plan, every=every)]
    return [(record, count) for record, count in due if (record.number, count) not in tried]


def _fallen(verification: Verification, plan: Plan, near: Sequence[TrialRecord]) -> set[int]:
    """Return which trials are out of reach as far as the first seed's images tell."""
    begun = [
        replace(record, scores={**(record.scores or {}), **_first(verification, plan, record)})
        for record in near
        if _has_first(verification, plan, record)
    ]
    reach = {r.number for r in within_reach(begun, verification.run.objectives)}
    return {record.number for record in begun} - reach


def _has_first(verification: Verification, plan: Plan, record: TrialRecord) -> bool:
    return bool(_first(verification, plan, record))


def _first(verification: Verification, plan: Plan, record: TrialRecord) -> dict[str, object]:
    """Return the scores of the plan's first seed; none where they are not there."""
    seeds = verification.known(record.number).seeds.get(plan.num_images, {})
    return seeds.get(plan.seeds[0], {})
