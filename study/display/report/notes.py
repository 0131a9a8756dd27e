"""What a reader of a report must know before its figures."""

from collections import Counter
from collections.abc import Iterator, Sequence

from study.display.report.entries import Entry
from study.results.front import why_no_front
from study.results.records import TrialRecord
from study.results.rows import FrontRow
from study.results.words import counted, summed_up
from study.run.packages import unsound
from study.run.run import Run

LATER = ("fid_floor", "precision")  # figures that the earliest versions did not measure


def notes_of(
    run: Run, entries: Sequence[Entry], rows: Sequence[FrontRow], *, is_live: bool
) -> list[str]:
    """Return the notes on a run, as sentences.

    Args:
        run: with the trials that began.
        entries: these trials, as the page has them.
        rows: of the front.
        is_live: whether the study is running.
    """
    statuses = Counter(entry["status"] for entry in entries)
    return [
        *_on_the_front(run, rows),
        *_on_what_runs(statuses["running"], is_live=is_live),
        *_on_noise(statuses["noise"]),
        *_on_verified(entries),
        *_on_older(run.records),
        *summed_up([f"Trial {r.number} is left out: {r.reason}." for r in unsound(run)]),
        *(f"Trials were warned: {text}" for text in run.warnings),
    ]


def _on_the_front(run: Run, rows: Sequence[FrontRow]) -> Iterator[str]:
    if not run.records:
        yield "No trial has begun yet."
    elif not rows:
        said = why_no_front(run.records)
        yield f"{said[0].upper()}{said[1:]}."


def _on_what_runs(count: int, *, is_live: bool) -> Iterator[str]:
    if count and not is_live:
        yield (
            f"{counted(count, 'trial')} had begun and not ended when this was written: the study "
            "is running, or was cut off and can be resumed."
        )


def _on_noise(count: int) -> Iterator[str]:
    if count:
        yield (
            f"{counted(count, 'trial')} came out worse than uniform noise. No such model is on "
            "any front: it is a limit that every study has, whether one is set or not."
        )


def _on_verified(entries: Sequence[Entry]) -> Iterator[str]:
    scored = [entry for entry in entries if "images" in entry]
    count = sum("seeds" in entry for entry in scored)
    if count:
        yield (
            f"{counted(count, 'trial')} of {len(scored)} with a FID were verified: scored again "
            "with other noise. The front is made of them alone; the others have the search's "
            "figures, paler."
        )


def _on_older(records: Sequence[TrialRecord]) -> Iterator[str]:
    scores = [record.scores for record in records if record.state == "complete" and record.scores]
    if count := sum(any(name not in each for name in LATER) for each in scores):
        yield f"{counted(count, 'trial')} of an older version did not measure all that is shown."
