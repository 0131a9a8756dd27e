"""Records: what is known of each trial, as the storage, the tables and the front see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from diffusion.recipe import Recipe
from study.results.limits import OVER_A_LIMIT
from study.results.objectives import Scores
from study.results.screenings import Screening

State = Literal["running", "complete", "pruned", "failed", "infeasible", "waiting"]


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Attributes:
        scores: what it measured; None until it is complete.
        reason: why it failed, was stopped early, exceeds a limit or could not be built.
        feasible: whether a complete trial keeps to the study's limits.
        rungs: scores of its uncompressed training on the way, by its training images.
        knobs: what was drawn for it, by the names of the search space.
        images_before_end: that a trial without scores was trained on, as far as it could say.
        end_time: when it ended, in seconds since 1970; None until then.
        start_time: when it was first begun, likewise.
        place: machine and process of its worker, in the last attempt that said so.
        screened: other compressions of its backbone that its worker screened beside it.
    """

    number: int
    state: State
    recipe: Recipe | None
    scores: Scores | None = None
    reason: str | None = None
    wall_seconds: float | None = None
    feasible: bool = True
    rungs: Mapping[int, Scores] = field(default_factory=dict)
    knobs: Mapping[str, Any] = field(default_factory=dict)
    images_before_end: int | None = None
    end_time: float | None = None
    start_time: float | None = None
    place: str | None = None
    screened: tuple[Screening, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether it counts towards the trials that were asked for."""
        return self.state in ("complete", "pruned", "failed")

    @property
    def trained_images(self) -> int:
        """How many images an ended trial was trained on, as far as it could say."""
        scores = self.scores or self.rungs.get(max(self.rungs, default=0)) or {}
        return max(int(scores.get("trained_images", 0)), self.images_before_end or 0)

    @property
    def outcome(self) -> str:
        """Its state in words for people."""
        if self.state == "complete" and not self.feasible:
            return OVER_A_LIMIT
        return "stopped early" if self.state == "pruned" else self.state
