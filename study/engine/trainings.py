"""Which trainings there are, so that a backbone is trained once at a time, and once in all."""

from collections.abc import Iterable

from diffusion.recipe import Recipe
from study.results.records import TrialRecord


class Trainings:
    """Which trainings came to their end, and what running trials still have to train."""

    def __init__(self, records: Iterable[TrialRecord], *, reuse: bool) -> None:
        """Take up what a study's records hold.

        Args:
            records: of the trials so far.
            reuse: whether a training feeds every trial that can use it.
        """
        self._reuse = reuse
        self._done: set[tuple[str, int]] = set()  # backbone key and training images
        for record in records:
            self.finish(record)

    def finish(self, record: TrialRecord) -> None:
        """Note that the training of a complete trial is there."""
        if record.state == "complete" and record.recipe is not None:
            self._done.add(_key(record.recipe))

    def is_busy(self, recipe: Recipe, running: Iterable[Recipe]) -> bool:
        """Whether a recipe has to wait, since a running one trains its backbone."""
        return (
            self._reuse
            and not self._is_done(recipe)
            and any(recipe.backbone_key == other.backbone_key for other in running)
        )

    def images_left(self, running: Iterable[Recipe]) -> int:
        """Return how many images running recipes have to train on, whatever they have done."""
        return sum(r.training.train_images for r in running if not self._is_done(r))

    def _is_done(self, recipe: Recipe) -> bool:
        return self._reuse and _key(recipe) in self._done


def _key(recipe: Recipe) -> tuple[str, int]:
    return recipe.backbone_key, recipe.training.train_images
