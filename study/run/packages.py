"""Whether the models on a front are the files that were scored."""

import hashlib
from dataclasses import replace
from pathlib import Path

from diffusion.compress.package import PACKAGE_NAME
from study.results.records import TrialRecord
from study.run.files import open_own
from study.run.run import Run

HASH = "package_sha256"  # the score that a trial's model file is checked by
UNSOUND = f"its {PACKAGE_NAME} is not the file that was scored"


def sound_run(run: Run) -> Run:
    """Return a run whose front holds models alone that are still the files that were scored.

    A trial whose file is another one or missing counts as failed, and what it kept off the front
    comes up and is checked, too. Nothing is written: once the file is back, so is the trial.
    """
    checked: set[int] = set()
    while new := [record for record in run.front() if record.number not in checked]:
        reasons = {record.number: fault(run.folder, record) for record in new}
        checked |= reasons.keys()
        run = run.with_records(_judged(r, reasons.get(r.number)) for r in run.records)
    return run


def fault(folder: Path, record: TrialRecord) -> str | None:
    """Say why a trial's model file is not the one that was scored.

    Args:
        folder: of the run.
        record: of a complete trial.

    Returns:
        The reason, or None where it is that file, or an earlier version kept no hash of it.
    """
    expected = (record.scores or {}).get(HASH)
    if expected is None:
        return None
    path = folder / "trials" / str(record.number) / PACKAGE_NAME
    if path.parent.is_symlink():
        return f"{UNSOUND}: {path.parent} is a link"
    try:
        with open_own(path) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return f"{UNSOUND}: it is missing"
    except (OSError, ValueError) as error:
        return f"{UNSOUND}: {error}"
    return None if found == expected else UNSOUND


def unsound(run: Run) -> list[TrialRecord]:
    """Return the trials that `sound_run` took off the front."""
    return [r for r in run.records if r.state == "failed" and (r.reason or "").startswith(UNSOUND)]


def unchecked(run: Run) -> int:
    """Count the models on the front that an earlier version kept no hash of."""
    return sum(HASH not in (record.scores or {}) for record in run.front())


def _judged(record: TrialRecord, reason: str | None) -> TrialRecord:
    return record if reason is None else replace(record, state="failed", reason=reason)
