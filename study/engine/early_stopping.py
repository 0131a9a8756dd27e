"""Early stopping on several objectives: trainings compared where they have seen as many images.

A training is judged by its uncompressed model, never by one compressed variant of it, so that what
is small and what is good are both kept.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from diffusion.recipe import Recipe
from study.results.dominance import rank
from study.results.objectives import costs
from study.results.records import TrialRecord

# What so few images leave undefined is judged by the FID itself.
AT_RUNGS = {"fid_infinity": "fid"}
KEEP_SHARE = 0.5  # Of the trainings at a rung, besides all that no other one dominates.


class Rungs:
    """What every training scored at each of its rungs, and which may therefore go on."""

    def __init__(self, objectives: tuple[str, ...], records: Iterable[TrialRecord] = ()) -> None:
        """Take up what a study's records hold.

        Args:
            objectives: names of the scores compared.
            records: of the trials so far, in any order.
        """
        at_rungs = [AT_RUNGS.get(name, name) for name in objectives]
        self._objectives = tuple(dict.fromkeys(at_rungs))
        self._costs: dict[int, dict[str, list[float]]] = {}  # by train_images and backbone key
        self._stopped: dict[str, int] = {}  # rung by backbone key
        for record in records:
            self._take_up(record)

    def add(self, backbone_key: str, train_images: int, scores: Mapping[str, Any]) -> None:
        """Enter a training's scores at a rung, in place of those it had there."""
        try:
            entered = costs(scores, self._objectives)
        except ValueError:
            entered = [math.nan]
        self._costs.setdefault(train_images, {})[backbone_key] = entered

    def may_go_on(self, backbone_key: str, train_images: int) -> bool:
        """Whether a training that was entered at a rung is among those to go on with."""
        entered = self._costs[train_images]
        keys = list(entered)
        order, num_best = rank([entered[key] for key in keys])
        position = order.index(keys.index(backbone_key))
        return position < max(num_best, math.ceil(KEEP_SHARE * len(keys)))

    def stop(self, backbone_key: str, train_images: int) -> str:
        """Note that a training ends at a rung for now; return why."""
        self._stopped[backbone_key] = train_images
        return (
            f"stopped early after {train_images:,} training images, behind most of "
            f"{len(self._costs[train_images])} trainings"
        )

    def finish(self, backbone_key: str) -> None:
        """Note that a training went to its end after all."""
        self._stopped.pop(backbone_key, None)

    def refusal(self, recipe: Recipe) -> str | None:
        """Say why a training that was stopped is still not to be gone on with, or None."""
        train_images = self._stopped.get(recipe.backbone_key)
        if train_images is None or self.may_go_on(recipe.backbone_key, train_images):
            return None
        return f"its training was stopped early after {train_images:,} images"

    def _take_up(self, record: TrialRecord) -> None:
        if record.recipe is None:
            return
        key = record.recipe.backbone_key
        for train_images, scores in record.rungs.items():
            self.add(key, train_images, scores)
        if record.state == "complete":
            self.finish(key)
        elif record.state == "pruned" and record.rungs:
            self.stop(key, max(record.rungs))
