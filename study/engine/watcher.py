"""Who is told what happens in a study."""

from diffusion.recipe import Recipe
from study.results.records import TrialRecord


class Watcher:
    """Is told what happens, and does nothing; the live table does more."""

    def on_start(self, number: int, recipe: Recipe) -> None:
        """A trial begins."""

    def on_progress(self, number: int, stage: str, share: float) -> None:
        """A running trial has done a share of a stage."""

    def on_retry(self, number: int, reason: str) -> None:
        """A running trial broke and is started again."""

    def on_warning(self, number: int, text: str) -> None:
        """A running trial's worker warns of something."""

    def on_end(self, record: TrialRecord) -> None:
        """A trial is complete, was stopped early, or failed."""

    def on_extend(self, trials: int) -> None:
        """The study goes on to so many trials."""
