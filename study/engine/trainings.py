"""Which trainings there are, so that a backbone is trained once at a time, and once in all.

Four places know of trainings, each another thing. Here: which came to their end and which were
stopped early, by backbone key, so that the dispatcher knows what has to wait. A judge, `Rungs`
(early_stopping.py): what they scored on their way, to compare them. `BackboneHistory`
(history.py): what trials of a backbone reached, by the knobs it was drawn with, for the next
proposals; it knows no keys. `BackboneStore` (run/backbones.py): the weights themselves, on disk
and shared between runs; a worker looks there before it trains, whatever is thought here.
"""

from collections.abc import Iterable, Mapping

from diffusion.recipe import Recipe
from study.engine.early_stopping import Judge, Rungs
from study.results.objectives import Scores
from study.results.records import TrialRecord


class Trainings:
    """Which trainings ended, which were stopped, and what running trials still have to train."""

    def __init__(
        self,
        records: Iterable[TrialRecord],
        objectives: tuple[str, ...],
        *,
        reuse: bool = True,
        stored: Iterable[tuple[str, int]] = (),
        judge: Judge | None = None,
    ) -> None:
        """Take up what a study's records hold.

        Args:
            records: of the trials so far, in any order.
            objectives: names of the scores by which trainings are compared on their way.
            reuse: whether a training feeds every trial that can use it.
            stored: backbone keys and training images of what is there before any trial.
            judge: says which trainings go on; by default they are compared at each rung by the
                objectives.
        """
        self._reuse = reuse
        self._judge = judge or Rungs(objectives)
        self._done: set[tuple[str, int]] = set(stored)  # backbone key and training images
        self._cooled: set[str] = set()  # cool-down keys
        self._judged: dict[str, int] = {}  # last rung by backbone key
        self._stopped: dict[str, int] = {}  # the same of those that were stopped
        for record in records:
            self._take_up(record)

    @property
    def any_done(self) -> bool:
        """Whether any training came to its end."""
        return bool(self._done)

    @property
    def awaits_first(self) -> bool:
        """Whether the first training to end will feed other trials than its own."""
        return self._reuse and not self.any_done

    def finish(self, record: TrialRecord) -> None:
        """Note that the training of a complete trial is there."""
        if record.state == "complete" and record.recipe is not None:
            self._done.add(_key(record.recipe))
            self._cooled.add(record.recipe.cool_down_key)
            self._stopped.pop(record.recipe.backbone_key, None)

    def judge(self, backbone_key: str, train_images: int, scores: Scores) -> str | None:
        """Enter what a training scored at a rung; return why it ends there, or None."""
        self._judge.add(backbone_key, train_images, scores)
        self._judged[backbone_key] = train_images
        reason = self._why_stop(backbone_key)
        return reason and f"stopped early after {train_images:,} training images, {reason}"

    def overtaken(self, training: Mapping[int, str]) -> dict[int, str]:
        """Return why trials end by what others scored since their trainings were judged.

        Args:
            training: the backbone keys of the trials that train, by their numbers.
        """
        found = {}
        for number, key in training.items():
            if key in self._judged and (reason := self._why_stop(key)):
                since = f"{self._judged[key]:,} training images"
                found[number] = f"stopped early, overtaken since {since}: {reason}"
        return found

    def _why_stop(self, backbone_key: str) -> str | None:
        """Say why a training is stopped at its last rung, or None."""
        train_images = self._judged[backbone_key]
        reason = self._judge.why_stop(backbone_key, train_images)
        if reason is not None:
            self._stopped[backbone_key] = train_images
        return reason

    def refusal(self, recipe: Recipe) -> str | None:
        """Say why a training that was stopped is still not to be gone on with, or None."""
        train_images = self._stopped.get(recipe.backbone_key)
        if train_images is None:
            return None
        if self._judge.why_stop(recipe.backbone_key, train_images) is None:
            return None
        return f"its training was stopped early after {train_images:,} images"

    def is_busy(self, recipe: Recipe, running: Iterable[Recipe]) -> bool:
        """Whether a recipe has to wait, since a running one trains its backbone or cool-down."""
        if not self._reuse:
            return False
        if not self._is_done(recipe):
            return any(recipe.backbone_key == other.backbone_key for other in running)
        return self._cool_down_left(recipe) > 0 and any(
            recipe.cool_down_key == other.cool_down_key for other in running
        )

    def images_left(self, running: Iterable[Recipe]) -> int:
        """Return how many images running recipes have to train on, whatever they have done."""
        return sum(
            (0 if self._is_done(r) else r.training.train_images) + self._cool_down_left(r)
            for r in running
        )

    def _cool_down_left(self, recipe: Recipe) -> int:
        is_there = self._reuse and recipe.cool_down_key in self._cooled
        return 0 if is_there else recipe.compression.finetune_images

    def _is_done(self, recipe: Recipe) -> bool:
        return self._reuse and _key(recipe) in self._done

    def _take_up(self, record: TrialRecord) -> None:
        if record.recipe is None:
            return
        for train_images, scores in record.rungs.items():
            self._judge.add(record.recipe.backbone_key, train_images, scores)
        if record.rungs:
            self._judged[record.recipe.backbone_key] = max(record.rungs)
        if record.state == "pruned" and record.rungs:
            self._stopped[record.recipe.backbone_key] = max(record.rungs)
        self.finish(record)


def _key(recipe: Recipe) -> tuple[str, int]:
    return recipe.backbone_key, recipe.training.train_images
