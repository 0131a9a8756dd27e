"""Reading the trials of a run while another process may be writing them."""

import shutil
import tempfile
from pathlib import Path

from study.results.records import TrialRecord
from study.run.folder import JOURNAL_NAME
from study.run.journal import check_journal
from study.run.settings import RunSettings
from study.run.storage import StudyStorage


def read_records(run_dir: Path, settings: RunSettings) -> list[TrialRecord]:
    """Return the trials of a run that another process may be writing; nothing of it is changed.

    Raises:
        ValueError: its journal is missing or none of ours, or its database does not have it.
        OSError: its database cannot be reached.
    """
    database, objectives = settings.database, settings.objectives
    if database is None:
        return read_journal(run_dir / JOURNAL_NAME, objectives)
    return StudyStorage(database, objectives, settings.limits, begin=False).records()


def read_journal(path: Path, objectives: tuple[str, ...]) -> list[TrialRecord]:
    """Return the trials of a journal that another process may be writing.

    Args:
        path: of the journal; a copy of it is read, so that nothing of it is changed.
        objectives: names of the scores that its study minimises or maximises.

    Raises:
        ValueError: the file is missing or no journal of ours.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        try:
            check_journal(path)
            shutil.copyfile(path, copy)
        except OSError as error:
            raise ValueError(
                f"journal {path} cannot be read: {error.strerror or error}"
            ) from error
        try:
            return StudyStorage(copy, objectives).records()
        except ValueError as error:
            raise ValueError(str(error).replace(str(copy), str(path))) from error
