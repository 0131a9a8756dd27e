"""Early stopping on several objectives: trainings compared where they have seen as many images.

A training is judged by its uncompressed model, never by one compressed variant of it, so that what
is small and what is good are both kept.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from diffusion.recipe import Recipe
from diffusion.train import snapshot_points
from study.front import non_dominated
from study.records import TrialRecord, costs

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


def latest_rung(recipe: Recipe, images_seen: int) -> int:
    """Return the last length, short of the whole, at which a training was judged; 0 for none."""
    *rungs, _ = snapshot_points(recipe.training.train_images)
    return max((rung for rung in rungs if rung <= images_seen), default=0)


def rank(points: Sequence[Sequence[float]]) -> tuple[list[int], int]:
    """Order points, best first: by non-dominated rank, and within one so that they spread.

    Args:
        points: [num_points, num_objectives], all minimised; those not finite come last.

    Returns:
        Their positions in order, and how many of them no other one dominates.
    """
    left = [position for position, point in enumerate(points) if np.isfinite(point).all()]
    broken = [position for position in range(len(points)) if position not in left]
    order: list[int] = []
    num_best = 0
    while left:
        front = [left[position] for position in non_dominated([points[p] for p in left])]
        order += spread(points, front)
        num_best = num_best or len(front)
        left = [position for position in left if position not in front]
    return order + broken, num_best


def spread(points: Sequence[Sequence[float]], front: Sequence[int]) -> list[int]:
    """Order a front so that every beginning of it is spread over the whole.

    The best in the first objective comes first, then always the one farthest from those before
    it; distances are of ranks in each objective, which have no units.
    """
    values = np.array([points[position] for position in front])
    places = values.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    chosen = [int(places[:, 0].argmin())]
    while len(chosen) < len(front):
        apart = np.abs(places[:, None] - places[chosen][None]).sum(axis=2).min(axis=1)
        chosen.append(int(apart.argmax()))
    return [front[position] for position in chosen]
