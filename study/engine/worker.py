"""What a worker process does with one trial: evaluate it, and report how that ended.

Knows nothing of Ray. Reports are plain dictionaries: {"warning"} and {"stage", "share",
"trained_images"} on the way, {"rung", "rung_scores"} at a rung, {"screened"} where other
compressions were screened, and at the end one of {"scores"}, {"reason"} for a failure that would
only repeat itself, {"attempt"} before the error of one that may not, these two with the progress
until then, {"halt"} when nothing can be written any more, or a backbone is gone that is not to be
trained, or the run's folder is not seen, or a later driver has the run.
"""

import errno
import json
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from diffusion.errors import InvalidRecipe, MetricUndefined, TrainingDiverged
from diffusion.files import write_bytes
from diffusion.memory import is_out_of_memory
from diffusion.recipe import Recipe
from study.evaluation.context import Evaluate, RunContext, TrialContext
from study.results.objectives import Scores
from study.run.files import make_own
from study.run.key_folder import SnapshotUnavailable
from study.run.mark import FolderUnseen, TakenOver

REPORT_EVERY_SECONDS = 1.0
OUR_LOGGERS = ("study", "diffusion")
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# They lie in the recipe: another attempt would end the same. All others may be of the moment.
FINAL = (TrainingDiverged, MetricUndefined, InvalidRecipe)
Report = Callable[[dict[str, Any]], None]


def run_trial(
    number: int,
    recipe: Recipe,
    to_screen: Sequence[Recipe],
    evaluate: Evaluate,
    run: RunContext,
    report: Report,
) -> None:
    """Evaluate a recipe and report how it ended.

    Args:
        number: of the trial; its folder's name.
        to_screen: other compressions of its backbone.
        report: may not return, when the trial is stopped early.

    Raises:
        Exception: the trial broke in a way that another attempt may mend.
    """
    trial_dir = run.trials_dir / str(number)

    def tell(values: dict[str, Any]) -> None:
        run.check_driver()
        report(values)

    on_rung = _rung_report(tell) if run.judges else None
    progress = _Progress(tell)
    context = TrialContext(
        run,
        trial_dir,
        progress.tell,
        on_rung,
        progress.count,
        tuple(to_screen),
        lambda found: tell({"screened": json.dumps(found)}),
    )
    try:
        run.check_seen()
        with _passing_on_warnings(report):
            scores = _evaluate(evaluate, recipe, context)
    except Exception as error:
        if _is_the_study_s(error):
            report({"halt": failure_reason(error)})
            return
        _write_log(trial_dir)
        end = "reason" if isinstance(error, FINAL) else "attempt"
        report({end: failure_reason(error), **progress.values})
        if end == "attempt":
            raise
        return
    report({"scores": json.dumps(scores)})


def _evaluate(evaluate: Evaluate, recipe: Recipe, context: TrialContext) -> Scores:
    try:
        return evaluate(recipe, context)
    finally:  # also where the trial is stopped: the worker waits, and others need the memory
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


@contextmanager
def _passing_on_warnings(report: Report) -> Iterator[None]:
    """Report what is logged as a warning: nobody reads what a worker process prints."""
    handler = _Reporting(report)
    loggers = [logging.getLogger(name) for name in OUR_LOGGERS]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


class _Reporting(logging.Handler):
    def __init__(self, report: Report) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        self._report({"warning": record.getMessage()})


def _is_the_study_s(error: Exception) -> bool:
    """Whether an error is the whole study's trouble, not the trial's."""
    full = isinstance(error, OSError) and error.errno in DISK_FULL
    return full or isinstance(error, SnapshotUnavailable | FolderUnseen | TakenOver)


def failure_reason(error: Exception) -> str:
    """Return the reason that an error is recorded as."""
    kind = "OutOfMemory" if is_out_of_memory(error) else type(error).__name__
    return f"{kind}: {error}"


class _Progress:
    """How far a trial is, reported once a second.

    Attributes:
        values: stage, share and trained_images, which is None until it is known.
    """

    def __init__(self, report: Report) -> None:
        self.values: dict[str, Any] = {"stage": "start", "share": 0.0, "trained_images": None}
        self._report = report
        self._last_report = -REPORT_EVERY_SECONDS

    def count(self, images: int) -> None:
        """Take how many images the trial was trained on; the next report tells it."""
        self.values["trained_images"] = images

    def tell(self, stage: str, share: float) -> None:
        """Take a share of a stage that is done, and report it unless another was just told."""
        self.values.update(stage=stage, share=share)
        if time.monotonic() - self._last_report >= REPORT_EVERY_SECONDS:
            self._last_report = time.monotonic()
            self._report(dict(self.values))


def _rung_report(report: Report) -> Callable[[int, Scores], None]:
    def report_rung(train_images: int, scores: Scores) -> None:
        report({"rung": train_images, "rung_scores": json.dumps(scores)})

    return report_rung


def _write_log(trial_dir: Path) -> None:
    with suppress(OSError, ValueError):  # must not hide the reason
        make_own(trial_dir)
        write_bytes(trial_dir / "log.txt", traceback.format_exc().encode(errors="replace"))
