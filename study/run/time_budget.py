"""The time budget of a run, over all its sessions: what is spent of it, and what is left."""

import os
from collections.abc import Iterable
from pathlib import Path

from study.results.records import TrialRecord
from study.results.words import format_seconds
from study.run.folder import JOURNAL_NAME, has_trials
from study.run.reading import read_records
from study.run.settings import RunSettings


def spent_seconds(records: Iterable[TrialRecord]) -> float:
    """Return for how long at least one of the finished trials ran.

    It is derived from the trials alone, so that no kill loses any of it but the trials it cut off.
    """
    begins_and_ends = sorted(
        (record.end_time - record.wall_seconds, record.end_time)
        for record in records
        if record.finished and record.end_time is not None and record.wall_seconds is not None
    )
    spent, until = 0.0, float("-inf")
    for begin, end in begins_and_ends:
        spent += max(end - max(begin, until), 0.0)
        until = max(until, end)
    return spent


def total_seconds(
    run_dir: Path, settings: RunSettings, more_seconds: float | None
) -> float | None:
    """Return a resumed run's time budget.

    Args:
        more_seconds: from now on; None for what the run has.

    Raises:
        ValueError: the study is none of ours.
        OSError: its database cannot be reached.
    """
    if more_seconds is None:
        return settings.time_budget_seconds
    in_journal = settings.database is None
    begun = os.path.lexists(run_dir / JOURNAL_NAME) if in_journal else has_trials(run_dir)
    if not begun:  # cut off before its first trial
        return more_seconds
    return spent_seconds(read_records(run_dir, settings)) + more_seconds


def seconds_left(settings: RunSettings, records: Iterable[TrialRecord]) -> float | None:
    """Return what is left of a run's time budget; None where it has none.

    Raises:
        ValueError: nothing is left, and there is more to do.
    """
    total = settings.time_budget_seconds
    if total is None:
        return None
    records = list(records)
    left = total - spent_seconds(records)
    missing = sum(record.finished for record in records) < settings.trials
    if left <= 0 and missing:
        asked = format_seconds(total).removesuffix(" 00 s").removesuffix(" 00 min")
        raise ValueError(f"its time budget of {asked} is used up; give --time-budget to go on")
    return max(left, 0.0)
