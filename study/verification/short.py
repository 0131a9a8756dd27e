"""The short verification that ends a search."""

import time

from rich.console import Console

from study.cluster.resources import Resources
from study.cluster.supply import supplied
from study.evaluation.context import RunContext
from study.results.rows import FrontRow
from study.run.run import Run
from study.run.storage import StudyStorage
from study.verification.ending import Ending, write_verified
from study.verification.file import Verification
from study.verification.point import Plan
from study.verification.session import Session
from study.verification.tasks import Work
from study.verification.work import Verifier

PLAN = Plan(num_images=1_000)
SECONDS = 180.0


def verify_shortly(
    run: Run,
    storage: StudyStorage,
    resources: Resources,
    work: Work,
    console: Console,
    go_on: str,
    *,
    asked: bool,
) -> tuple[Run, list[FrontRow], Ending]:
    """Score the front again, as far as time allows, and write it anew.

    Args:
        run: with the trials that ended.
        storage: of its study.
        resources: of the search.
        work: that a verification does to trials.
        console: where it is said.
        go_on: the command that does what this leaves.
        asked: whether anything is scored; else what an earlier verification says is written.
    """
    verification, ending = Verification.load(run), Ending.DONE
    if asked:
        context = RunContext.of(run.folder, run.settings)
        if run.settings.address is not None:
            context = supplied(context)
        verifier = Verifier(
            verification, PLAN, context, resources.now(), work, time.time() + SECONDS
        )
        ending = Session(verifier, console, go_on).run()
    shown, rows = write_verified(verification, storage)
    return shown, rows, ending
