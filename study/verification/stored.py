"""A run as it is stored, with what a verification found; nothing of it is changed."""

from pathlib import Path

from study.run.packages import sound_run
from study.run.run import Run
from study.verification.file import Verification
from study.verification.verified import verified_run


def read_verified(folder: Path) -> Run:
    """Read a run as its report shows it; another process may be writing it.

    Args:
        folder: of the run.

    Returns:
        The run with verified scores where its front can be made of them, else with the search's;
        models that are no more the files that were scored are off its front.

    Raises:
        ValueError: it is no run of ours, or its verification is damaged.
        OSError: the database of its study cannot be reached.
    """
    return sound_run(verified_run(Verification.load(sound_run(Run.read(folder)))))
