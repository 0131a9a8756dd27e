"""Which trials a verification draws from, and with how many seeds, round by round.

Those on the search's front get all seeds. The others within its reach get one first: of more
images than the search's, it may show them to be out of reach.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from study.results.limits import scores_of
from study.results.objectives import LATENCIES
from study.results.records import TrialRecord
from study.verification.confidence import within_reach
from study.verification.file import Verification
from study.verification.point import Plan
from study.verification.verified import apply, covers, judged

Round = list[tuple[TrialRecord, int]]  # With how many seeds each trial is to have after it.


def wanted(verification: Verification, plan: Plan, *, every: bool = False) -> list[TrialRecord]:
    """Return the trials to verify, those on the search's front first: time may be short.

    Args:
        verification: what is known so far.
        plan: what is asked for.
        every: whether all complete trials are to be verified.
    """
    return [record for record, _ in _to_have(verification, plan, every)]


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
    to_have = _to_have(verification, plan, every)
    return [(record, count) for record, count in to_have if (record.number, count) not in tried]


def to_time(verification: Verification, plan: Plan, *, every: bool = False) -> list[TrialRecord]:
    """Return the trials to time alone: the front, as far as it is known by now.

    All that are to be verified where the time counts: as an objective, or by a limit.
    """
    if every or latency_counts(verification):
        return wanted(verification, plan, every=every)
    if covers(verification, plan.num_images):
        return apply(verification, plan.num_images).front()
    return judged(verification, plan.num_images).front()


def latency_counts(verification: Verification) -> bool:
    """Whether what an image takes says which trials are on the front."""
    run = verification.run
    return not {*LATENCIES}.isdisjoint((*run.objectives, *scores_of(run.limits)))


def _to_have(verification: Verification, plan: Plan, every: bool) -> Round:
    """Return the trials to verify, with how many seeds each is to have as far as is known."""
    seen = judged(verification, plan.num_images)
    if every:
        return [(record, plan.num_seeds) for record in seen.complete()]
    front = {record.number for record in seen.front()}
    near = within_reach(seen.records, seen.objectives)
    first = _by_first_seed(verification, plan, near)
    kept = {record.number for record in within_reach(list(first.values()), seen.objectives)}
    whole = [record for record in near if record.number in front]
    others = [record for record in near if record.number not in front]
    return [
        *((record, plan.num_seeds) for record in whole),
        *((record, plan.num_seeds) for record in others if record.number in kept),
        *((record, 1) for record in others if record.number not in first),
    ]


def _by_first_seed(
    verification: Verification, plan: Plan, records: Sequence[TrialRecord]
) -> dict[int, TrialRecord]:
    """Return those that the plan's first seed was drawn of, with what it scored."""
    found = {}
    for record in records:
        seeds = verification.known(record.number).seeds.get(plan.num_images, {})
        if scores := seeds.get(plan.seeds[0]):
            found[record.number] = replace(record, scores={**(record.scores or {}), **scores})
    return found
