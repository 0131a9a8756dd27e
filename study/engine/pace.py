"""How long trainings take, by those so far, so that none begins that cannot end in time."""

from collections.abc import Iterable

from diffusion.recipe import Recipe
from study.engine.design_draws import network_cost
from study.results.objectives import Scores
from study.results.records import TrialRecord

MOST_SECONDS = 1e12  # Beyond it, a journal was altered.


class Pace:
    """The seconds of a trained image, of every network that was trained."""

    def __init__(self, records: Iterable[TrialRecord]) -> None:
        """Learn from the trials so far."""
        # By the key of a training or a cool-down, however many trials have used it.
        self._rates: dict[str, tuple[Recipe, float]] = {}
        for record in records:
            self.note_end(record)

    def note_end(self, record: TrialRecord) -> None:
        """Learn from a trial that ended."""
        if record.state != "complete" or record.recipe is None:
            return
        recipe, scores = record.recipe, record.scores or {}
        self._note(recipe.backbone_key, recipe, recipe.training.train_images, scores, "train")
        images = recipe.compression.finetune_images
        self._note(recipe.cool_down_key, recipe, images, scores, "finetune")

    def seconds(self, recipe: Recipe, train_images: int) -> float:
        """Return what training a recipe on so many images takes; 0 before anything is known.

        It is a multiple of what the network of the nearest multiply-accumulates took. Small ones
        need more seconds for each of them, so that larger ones are rather done sooner than told.
        """
        if not train_images or not self._rates:
            return 0.0
        macs = _macs(recipe)
        known = [(_macs(other), rate) for other, rate in self._rates.values()]
        nearest, rate = min(known, key=lambda each: max(each[0] / macs, macs / each[0]))
        return train_images * rate * macs / nearest

    def _note(self, key: str, recipe: Recipe, images: int, scores: Scores, name: str) -> None:
        seconds = float(scores.get(f"{name}_seconds") or 0.0)
        if images and 0 < seconds < MOST_SECONDS:
            self._rates[key] = recipe, seconds / images


def _macs(recipe: Recipe) -> int:
    return max(network_cost(recipe.network, recipe.data).macs, 1)
