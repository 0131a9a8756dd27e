"""How a verification ends: what came of it, said in a line, and the front written from it."""

import enum
import logging
from collections.abc import Callable
from typing import TypeVar

from rich.console import Console

from study.display.console import say
from study.display.front_folder import write_front
from study.display.page import write_report
from study.results.rows import FrontRow
from study.run.packages import sound_run, unsound
from study.run.run import Run
from study.run.storage import StudyStorage
from study.verification.file import Verification
from study.verification.notes import keep_notes
from study.verification.tasks import Failure
from study.verification.verified import verified_run

Result = TypeVar("Result")
logger = logging.getLogger(__name__)


class Ending(enum.Enum):
    """How a verification ended; the words begin the line that says how to go on."""

    DONE = "verified"
    TIME_UP = "the time is up"
    FAILED = "verification failed"
    INTERRUPTED = "verification interrupted"


def attempt(console: Console, go_on: str, work: Callable[[], Result]) -> Result | None:
    """Do a verification; what ends it early is said in a line, and nothing comes of it.

    Args:
        go_on: the command that takes it up again.
    """
    try:
        return work()
    except Exception as error:
        if not isinstance(error, ValueError | OSError):  # a fault of ours: where it lies is shown
            logger.exception("%s", Ending.FAILED.value)
        failure = Failure.of(error)
        say(console, f"{Ending.FAILED.value}: {failure.reason}; go on with: {go_on}")
        return None


def write_verified(
    verification: Verification, storage: StudyStorage
) -> tuple[Run, list[FrontRow]]:
    """Write the front and the report anew, and what the storage shows beside the search's scores.

    Returns:
        The run as the front shows it, and the front's rows.
    """
    verification.save_points()
    run = sound_run(verified_run(verification))
    keep_notes(storage, verification.run, run)
    return run, write_run(run)


def write_run(run: Run) -> list[FrontRow]:
    """Write the front and the report of a run, and return the front's rows.

    A front whose models are all gone is not written: the one that is there has copies of them.
    """
    rows = run.rows()
    if rows or not unsound(run):
        rows = write_front(run)
    write_report(run, rows)
    return rows
