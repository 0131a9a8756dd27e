"""Weights & Biases: a project a study, a run a trial, sent or kept for `wandb sync` (offline)."""

import os
from collections.abc import Mapping

import wandb

from study.trackers.outcome import Knob, Outcome
from study.trackers.tracker import Tracker

STEP = "train_images"
SECONDS = 20.0  # that a run's begin and end may take


class WandbTracker(Tracker):
    """Logs to the server that the user logged in to, or with WANDB_MODE=offline to runs/NAME."""

    name = "wandb"

    def open(self) -> None:
        """Begin with no run."""
        self._runs: dict[int, wandb.Run] = {}

    def begin(self, number: int, recipe_knobs: Mapping[str, Knob]) -> None:
        """Begin a run under an id that is the trial's in every session."""
        settings = wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            init_timeout=SECONDS,
            finish_timeout=SECONDS,
            finish_timeout_raises=True,
            x_disable_stats=True,
        )
        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", self.run_dir.name),
            group=self.run_dir.name,
            id=f"{self.tracking_id}-{number}",
            name=f"trial {number}",
            config=dict(recipe_knobs),
            dir=self.run_dir,
            resume=None if is_offline() else "allow",
            reinit="create_new",
            settings=settings,
        )
        run.define_metric("training/*", step_metric=STEP)
        self._runs[number] = run

    def add(self, number: int, values: Mapping[str, float], train_images: int) -> None:
        """Log points of curves."""
        self._runs[number].log({**values, STEP: train_images})

    def end(self, number: int, outcome: Outcome) -> None:
        """Log the figures and their conditions as the run's summary, and the picture."""
        run = self._runs.pop(number)
        if outcome.picture is not None:
            run.log({"samples": wandb.Image(str(outcome.picture))})
        run.summary.update({"state": outcome.state, **outcome.conditions, **outcome.figures})
        run.finish(exit_code=1 if outcome.state == "failed" else 0)

    def leave(self) -> None:
        """Send what is left of the runs that have not ended."""
        for run in self._runs.values():
            run.finish(exit_code=255)


def is_offline() -> bool:
    """Whether nothing is sent, as the user's environment says."""
    return os.environ.get("WANDB_MODE") in ("offline", "disabled", "dryrun")


def check_login() -> None:
    """Make sure that runs can be sent, without a question in the middle of a study.

    Raises:
        ValueError: no key is known, and the runs are to be sent.
    """
    if not is_offline() and not wandb.login(prompt=False):
        raise ValueError(
            "--log is 'wandb', but no key of it is known; allowed: after `wandb login`, or with "
            "WANDB_MODE=offline in the environment"
        )
