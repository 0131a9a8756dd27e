"""Trials as trackers are told of them: one in two sessions, one that failed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from small_pictures import write_picture
from small_run import run_of

from diffusion.recipe import Recipe
from study.results.objectives import Scores
from study.results.records import TrialRecord
from study.run.run import Run
from study.trackers.tracking import tracking

TRACKING_ID = "0123456789abcdef"
SCORES: Scores = {
    "fid": 12.5,
    "size_bytes": 900,
    "train_images": 64,
    "fid_num_images": 500,
    "kid": None,
    "extractor": "digits",
    "sampling": {"steps": 3},
}


@dataclass
class Said:
    """What a person was told."""

    lines: list[str] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        self.lines.append(line)


def logged_run(folder: Path, *loggers: str) -> Run:
    """Return a run of two trials, of which one left a picture."""
    folder.mkdir(exist_ok=True)
    write_picture(folder / "trials/0/samples.png")
    return run_of(folder, loggers=loggers, tracking_id=TRACKING_ID)


def log_cut_off(run: Run, recipe: Recipe, tell: Callable[[str], None]) -> None:
    """Log a trial that breaks once and is then cut off with the session."""
    with tracking(run, tell) as trackers:
        for tracker in trackers:
            tracker.on_start(0, recipe)
            tracker.on_retry(0, "boom")
            tracker.on_start(0, recipe)
            tracker.on_progress(0, "train", 0.5)
            tracker.on_rung(0, 32, {"fid": 80.0, "size_bytes": 3_000})


def log_to_end(run: Run, recipe: Recipe, tell: Callable[[str], None]) -> None:
    """Log the same trial as adopted and to its end, and one that fails."""
    with tracking(run, tell) as trackers:
        for tracker in trackers:
            tracker.on_start(0, recipe)
            tracker.on_rung(0, 64, {"fid": 40.0, "size_bytes": 3_000})
            tracker.on_progress(0, "generate", 0.5)
            tracker.on_start(1, recipe)
            tracker.on_end(TrialRecord(0, "complete", recipe, dict(SCORES)))
            tracker.on_end(TrialRecord(1, "failed", recipe, None, "boom <b>"))
