"""Early stopping on several objectives: trainings compared where they have seen as many images.

A training is judged by its uncompressed model, never by one compressed variant of it, so that what
is small and what is good are both kept.
"""

import math
from collections.abc import Mapping
from typing import Any, Protocol

from study.results.dominance import rank
from study.results.objectives import costs

# What so few images leave undefined is judged by the FID itself.
AT_RUNGS = {"fid_infinity": "fid"}
KEEP_SHARE = 0.5  # Of the trainings at a rung, besides all that no other one dominates.


class Judge(Protocol):
    """Says which trainings go on, by what all of them scored on their way."""

    def add(self, backbone_key: str, train_images: int, scores: Mapping[str, Any]) -> None: ...

    def may_go_on(self, backbone_key: str, train_images: int) -> bool: ...

    def compared(self, backbone_key: str, train_images: int) -> tuple[int, int]: ...


class Rungs:
    """What every training scored at each of its rungs, and which may therefore go on there."""

    def __init__(self, objectives: tuple[str, ...]) -> None:
        """Begin without any training.

        Args:
            objectives: names of the scores compared.
        """
        at_rungs = [AT_RUNGS.get(name, name) for name in objectives]
        self._objectives = tuple(dict.fromkeys(at_rungs))
        self._costs: dict[int, dict[str, list[float]]] = {}  # by train_images and backbone key

    def add(self, backbone_key: str, train_images: int, scores: Mapping[str, Any]) -> None:
        """Enter a training's scores at a rung, in place of those it had there."""
        try:
            entered = costs(scores, self._objectives)
        except ValueError:
            entered = [math.nan]
        self._costs.setdefault(train_images, {})[backbone_key] = entered

    def may_go_on(self, backbone_key: str, train_images: int) -> bool:
        """Whether a training that was entered at a rung is among those to go on with.

        Where no other one came so far yet, the rung before decides again: who is first at a rung
        is stopped at the next, where others overtook it since.
        """
        entered = self._costs[self._deciding(backbone_key, train_images)]
        keys = list(entered)
        order, num_best = rank([entered[key] for key in keys])
        position = order.index(keys.index(backbone_key))
        return position < max(num_best, math.ceil(KEEP_SHARE * len(keys)))

    def compared(self, backbone_key: str, train_images: int) -> tuple[int, int]:
        """Return after how many images, and with how many, a training is compared at a rung."""
        rung = self._deciding(backbone_key, train_images)
        return rung, len(self._costs[rung])

    def _deciding(self, backbone_key: str, train_images: int) -> int:
        """Return the rung that decides on a training at one that it came to."""
        if len(self._costs[train_images]) > 1:
            return train_images
        passed = [r for r in self._costs if r < train_images and backbone_key in self._costs[r]]
        before = max(passed, default=train_images)
        is_scored = all(map(math.isfinite, self._costs[before][backbone_key]))
        return before if is_scored and len(self._costs[before]) > 1 else train_images
