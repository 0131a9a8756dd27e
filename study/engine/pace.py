"""How long a trial will take, by what others took, so that none begins that cannot end in time."""

from collections.abc import Iterable
from statistics import median

from diffusion.recipe import Recipe
from study.engine.design_draws import network_cost
from study.results.records import TrialRecord


class Pace:
    """The seconds of a trained image, for each multiply-accumulate of its network."""

    def __init__(self, records: Iterable[TrialRecord]) -> None:
        """Learn from the trials so far."""
        self._of_training: list[float] = []
        self._of_scoring: list[float] = []
        for record in records:
            self.note_end(record)

    def note_end(self, record: TrialRecord) -> None:
        """Learn from a trial that ended."""
        if record.state != "complete" or record.recipe is None or record.scores is None:
            return
        recipe, scores = record.recipe, record.scores
        for name, images in (
            ("train_seconds", recipe.training.train_images),
            ("finetune_seconds", recipe.compression.finetune_images),
        ):
            if images and (seconds := float(scores.get(name) or 0.0)) > 0:
                self._of_training.append(seconds / (images * _macs(recipe)))
        if record.trained_images == 0 and record.wall_seconds is not None:
            self._of_scoring.append(record.wall_seconds)

    def seconds(self, recipe: Recipe, train_images: int) -> float:
        """Return what a trial will take, as far as that is known; 0 before anything is.

        Args:
            recipe: of the trial.
            train_images: that are left to be trained on for it, its cool-down's among them.
        """
        scoring = median(self._of_scoring) if self._of_scoring else 0.0
        if not train_images or not self._of_training:
            return scoring
        return scoring + median(self._of_training) * train_images * _macs(recipe)


def _macs(recipe: Recipe) -> int:
    return max(network_cost(recipe.network, recipe.data).macs, 1)
