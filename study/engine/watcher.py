"""Who is told what happens in a study."""

import logging
from collections.abc import Callable, Iterable

from diffusion.recipe import Recipe
from study.results.objectives import Scores
from study.results.records import TrialRecord

logger = logging.getLogger(__name__)


class Listener:
    """Is told what happens, and does nothing; the live table does more."""

    def on_start(self, number: int, recipe: Recipe) -> None:
        """A trial begins."""

    def on_progress(self, number: int, stage: str, share: float) -> None:
        """A running trial has done a share of a stage."""

    def on_rung(self, number: int, train_images: int, scores: Scores) -> None:
        """A running trial's training was scored on its way."""

    def on_retry(self, number: int, reason: str) -> None:
        """A running trial broke and is started again."""

    def on_hold(self, number: int, reason: str) -> None:
        """A running trial broke for good; it counts as failed once another one ends otherwise."""

    def on_warning(self, number: int, text: str) -> None:
        """A running trial's worker warns of something."""

    def on_note(self, text: str) -> None:
        """Something is to be said that concerns no trial."""

    def on_end(self, record: TrialRecord) -> None:
        """A trial is complete, was stopped early, or failed."""


class Listeners(Listener):
    """Tells several listeners; one that raises hears no more, for none may harm the study."""

    def __init__(self, listeners: Iterable[Listener]) -> None:
        self._listeners = list(listeners)

    def on_start(self, number: int, recipe: Recipe) -> None:
        """Tell that a trial begins."""
        self._tell(lambda listener: listener.on_start(number, recipe))

    def on_progress(self, number: int, stage: str, share: float) -> None:
        """Tell that a running trial has done a share of a stage."""
        self._tell(lambda listener: listener.on_progress(number, stage, share))

    def on_rung(self, number: int, train_images: int, scores: Scores) -> None:
        """Tell that a running trial's training was scored on its way."""
        self._tell(lambda listener: listener.on_rung(number, train_images, scores))

    def on_retry(self, number: int, reason: str) -> None:
        """Tell that a running trial broke and is started again."""
        self._tell(lambda listener: listener.on_retry(number, reason))

    def on_hold(self, number: int, reason: str) -> None:
        """Tell that a running trial broke for good."""
        self._tell(lambda listener: listener.on_hold(number, reason))

    def on_warning(self, number: int, text: str) -> None:
        """Tell that a running trial's worker warns of something."""
        self._tell(lambda listener: listener.on_warning(number, text))

    def on_note(self, text: str) -> None:
        """Tell what concerns no trial."""
        self._tell(lambda listener: listener.on_note(text))

    def on_end(self, record: TrialRecord) -> None:
        """Tell that a trial is complete, was stopped early, or failed."""
        self._tell(lambda listener: listener.on_end(record))

    def _tell(self, what: Callable[[Listener], None]) -> None:
        for listener in tuple(self._listeners):
            try:
                what(listener)
            except Exception as error:
                self._listeners.remove(listener)
                logger.warning(
                    "%s is told no more of the study: %s: %s",
                    type(listener).__name__,
                    type(error).__name__,
                    error,
                )
