"""Early stopping on several objectives: trainings compared where they have seen as many images.

A training is judged by its uncompressed model, never by one compressed variant of it, so that what
is small and what is good are both kept.
"""

import math
from collections.abc import Mapping
from typing import Any, Protocol

from study.results.dominance import rank
from study.results.objectives import costs

# What so few images leave undefined is judged by the FID itself, what takes an export by what
# images take here.
AT_RUNGS = {"fid_infinity": "fid", "onnx_latency_ms": "latency_ms"}
KEEP_SHARE = 0.5  # Of the trainings at a rung, besides all that no other one dominates.
# A training is far behind another that needs but this part of its distance, in at most so many
# times its bytes: compression makes up for these, and no longer training for that.
FAR, MORE_BYTES = 1 / 4, 2.0
DISTANCES, COMPRESSED = ("fid", "fid_held_out"), ("size_bytes", "nonzero_parameters")


class Judge(Protocol):
    """Says which trainings go on, by what all of them scored on their way."""

    def add(self, backbone_key: str, train_images: int, scores: Mapping[str, Any]) -> None: ...

    def why_stop(self, backbone_key: str, train_images: int) -> str | None: ...


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

    def why_stop(self, backbone_key: str, train_images: int) -> str | None:
        """Say why a training that was entered at a rung is not to be gone on with, or None.

        Where no other one came so far yet, the rung before decides again: who is first at a rung
        is stopped at the next, where others overtook it since.
        """
        rung = self._deciding(backbone_key, train_images)
        entered = self._costs[rung]
        where = "" if rung == train_images else f" at {rung:,}"
        others = (costs for key, costs in entered.items() if key != backbone_key)
        if any(self._is_far_behind(entered[backbone_key], other) for other in others):
            return f"far behind another training{where}"
        keys = list(entered)
        order, num_best = rank([entered[key] for key in keys])
        position = order.index(keys.index(backbone_key))
        if position < max(num_best, math.ceil(KEEP_SHARE * len(keys))):
            return None
        return f"behind most of {len(keys)} trainings{where}"

    def _is_far_behind(self, own: list[float], other: list[float]) -> bool:
        """Whether another one needs but a part of the distance, in not too many times the bytes.

        In any other objective it has to be as good. Where these two are none, nothing is.
        """
        is_placed = len(own) == len(other) == len(self._objectives)
        kinds = (DISTANCES, COMPRESSED)
        if not is_placed or not all(set(kind) & set(self._objectives) for kind in kinds):
            return False
        factors = [
            FAR if name in DISTANCES else MORE_BYTES if name in COMPRESSED else 1.0
            for name in self._objectives
        ]
        return all(o <= f * c for f, o, c in zip(factors, other, own, strict=True))

    def _deciding(self, backbone_key: str, train_images: int) -> int:
        """Return the rung that decides on a training at one that it came to."""
        if len(self._costs[train_images]) > 1:
            return train_images
        passed = [r for r in self._costs if r < train_images and backbone_key in self._costs[r]]
        before = max(passed, default=train_images)
        is_scored = all(map(math.isfinite, self._costs[before][backbone_key]))
        return before if is_scored and len(self._costs[before]) > 1 else train_images
