"""The trackers that a study asks for, each imported only then."""

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

from study.run.loggers import KINDS, MLFLOW, logger_address, logger_kind
from study.run.run import Run
from study.trackers.tracker import Tracker

WANDB = "wandb"


def check_trackers(loggers: Iterable[str]) -> None:
    """Make sure before any training that what a study is logged to is there.

    Raises:
        ValueError: a package is missing, or a tracker has to be logged in to first.
    """
    for kind in map(logger_kind, loggers):
        found = importlib.util.find_spec(kind)
        if found is None or found.origin is None:  # a folder of that name is no package
            raise ValueError(
                f"--log is {kind!r}, but the package {kind} is not installed; allowed: after "
                f"pip install 'paretodiff[{kind}]', or another of {', '.join(KINDS)}"
            )
        if kind == WANDB:
            from study.trackers.to_wandb import check_login

            check_login()


@contextmanager
def tracking(run: Run, tell: Callable[[str], None]) -> Iterator[list[Tracker]]:
    """Yield the trackers of a run, and let them end what they have to do afterwards.

    Args:
        run: whose settings name them.
        tell: takes what a person is to be told; called from any thread.
    """
    with ExitStack() as stack:
        trackers = [_tracker(logger, run, tell) for logger in run.settings.loggers]
        for tracker in trackers:
            stack.callback(tracker.close)
        yield trackers


def _tracker(logger: str, run: Run, tell: Callable[[str], None]) -> Tracker:
    kind, known = logger_kind(logger), (run.folder, run.settings.tracking_id or "", tell)
    if kind == MLFLOW:
        from study.trackers.to_mlflow import MlflowTracker

        return MlflowTracker(*known, uri=logger_address(logger))
    if kind == WANDB:
        from study.trackers.to_wandb import WandbTracker

        return WandbTracker(*known)
    from study.trackers.to_tensorboard import TensorBoardTracker

    return TensorBoardTracker(*known)
