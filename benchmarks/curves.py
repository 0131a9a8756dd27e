"""Trainings judged by extrapolated learning curves: the rule that rungs are compared with."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

# Of ln FID over ln images, before two rungs of any training tell.
USUAL_SLOPE = -0.5
HOPE = 2.0  # So many times as steep as usual a training may yet become.


class Curves:
    """What every training scored on its way, and what it is likely to end with.

    A training goes on unless another one is likely to end better and smaller than it could even
    if it improved twice as fast from here on as trainings usually do. What has no FID yet is worse
    than all that have one.
    """

    def __init__(self, train_images: Mapping[str, int]) -> None:
        """Begin without any training.

        Args:
            train_images: of whole trainings, by backbone key.
        """
        self._ends = train_images
        self._fids: dict[str, dict[int, float]] = {}  # by backbone key and training images
        self._sizes: dict[str, float] = {}

    def add(self, backbone_key: str, train_images: int, scores: Mapping[str, Any]) -> None:
        """Enter what a training scored on its way."""
        fid = float(scores.get("fid", math.inf))
        self._fids.setdefault(backbone_key, {})[train_images] = fid if fid < math.inf else math.inf
        self._sizes[backbone_key] = float(scores["size_bytes"])

    def why_stop(self, backbone_key: str, train_images: int) -> str | None:
        """Say how many other trainings are likely to end better, hope or not; None for none."""
        hoped = self._end(backbone_key, HOPE)
        num_better = sum(
            self._sizes[other] <= self._sizes[backbone_key]
            and self._end(other, 1.0) <= hoped
            and self._end(other, 1.0) < math.inf
            for other in self._fids
            if other != backbone_key
        )
        return f"likely to end behind {num_better} of the trainings" if num_better else None

    def _end(self, backbone_key: str, steepness: float) -> float:
        """Return the ln FID at a training's end, from its last rung on."""
        fids = self._fids[backbone_key]
        last = max(fids)
        way = math.log(self._ends[backbone_key] / last)
        return math.log(fids[last]) + steepness * self._slope() * way

    def _slope(self) -> float:
        """Return the median of what trainings improve from rung to rung; never upwards."""
        slopes = [
            (math.log(fids[late]) - math.log(fids[early])) / math.log(late / early)
            for fids in self._fids.values()
            for early, late in zip(sorted(fids), sorted(fids)[1:], strict=False)
            if max(fids[early], fids[late]) < math.inf
        ]
        return min(float(np.median(slopes)), 0.0) if slopes else USUAL_SLOPE
