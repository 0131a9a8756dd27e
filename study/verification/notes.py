"""Verified scores beside the search's in Optuna's dashboard, as notes on trials and on the study.

Optuna changes no trial that has ended, so its values stay those of the search.
"""

from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.results.words import format_bytes, format_figure
from study.run.for_dashboard import MARKER
from study.run.run import Run
from study.run.storage import StudyStorage


def keep_notes(storage: StudyStorage, run: Run, shown: Run) -> None:
    """Write what a verification says of each trial, and of the front as a table.

    Args:
        storage: of the run's study.
        run: as the search left it.
        shown: the run with verified scores; without a verified front nothing is written.
    """
    searched = {record.number: record for record in run.records}
    for record in filter(_is_verified, shown.records):
        storage.keep_note(record.number, _of_trial(record, searched[record.number]))
    front = list(filter(_is_verified, shown.front()))
    if front:
        storage.keep_note(None, _of_study(front, searched))


def _is_verified(record: TrialRecord) -> bool:
    return bool((record.scores or {}).get("verified_seeds"))


def _of_trial(record: TrialRecord, searched: TrialRecord) -> str:
    scores = record.scores or {}
    chance = format_figure(scores.get("front_probability"), ".0%")
    over = "" if record.feasible else f" It is left out of the front: {record.reason}."
    return (
        f"{MARKER}: FID {_fid(scores)}, 95 % {_interval(scores)}, of {scores['verified_seeds']} x "
        f"{scores['fid_num_images']:,} images; on the front with a probability of {chance}."
        f"{over}\n\nThe search had FID {_fid(searched.scores or {})}."
    )


def _of_study(front: list[TrialRecord], searched: dict[int, TrialRecord]) -> str:
    first = front[0].scores or {}
    lines = [
        f"{MARKER}: the front, of {first['verified_seeds']} x {first['fid_num_images']:,} images "
        "a model. Objective values elsewhere on these pages are the search's.",
        "",
        "| trial | size | FID | 95 % | FID in the search |",
        "|-|-|-|-|-|",
    ]
    for record in front:
        scores, before = record.scores or {}, searched[record.number].scores or {}
        cells = (format_bytes(scores["size_bytes"]), _fid(scores), _interval(scores), _fid(before))
        lines.append(f"| {record.number} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _fid(scores: Scores) -> str:
    return format_figure(scores.get("fid"), ".1f")


def _interval(scores: Scores) -> str:
    return "-".join(format_figure(scores.get(name), ".1f") for name in ("fid_low", "fid_high"))
