"""Of each backbone's screened compressions those that no other one beats.

One beats another if its drift and all that is known exactly of the objectives are no worse, and
both have as much cool-down.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from study.engine.knob_sets import Knobs, backbone_knobs, model_knobs, sampling_knobs
from study.engine.prediction import Point
from study.engine.screened import Screened
from study.results.dominance import dominates, non_dominated
from study.results.limits import excesses
from study.results.objectives import Scores
from study.results.screenings import EXACT, Screening

# Models of a backbone and a cool-down that are offered: neighbours hardly differ then.
MOST_UNBEATEN = 32
LEAST_DRIFT = 1e-9


@dataclass(frozen=True)
class ScreenedModel:
    """What is looked up of a screened model at each choice, worked out once.

    Attributes:
        point: by which it is predicted, drawn from as it was screened.
        logs: logarithms of all that is known of it.
        knobs_of_drawing: their names.
    """

    screening: Screening
    point: Point
    logs: list[float]
    knobs_of_drawing: set[str]

    @classmethod
    def of(cls, screening: Screening) -> Self:
        """Work it out."""
        point = point_of(screening.knobs, screening)
        return cls(screening, point, logs_of(screening), {name for name, _ in point.sampling})


class Unbeaten:
    """Finds them as ever more is screened."""

    def __init__(
        self, screened: Screened, exact: Sequence[str], limits: Mapping[str, float]
    ) -> None:
        """Look at what is screened, which goes on meanwhile.

        Args:
            screened: by backbone.
            exact: the objectives that are known of every screened model.
            limits: on what is known; what is over one is left out.
        """
        self._screened, self._exact, self._limits = screened, tuple(exact), limits
        # By backbone: how many screenings were looked at, and by cool-down what none of them
        # beats; what was beaten once stays so.
        self._num_seen: dict[Knobs, int] = {}
        self._found: dict[Knobs, dict[int, list[ScreenedModel]]] = {}

    def of(self, backbone: Knobs, tried: Collection[Knobs]) -> list[ScreenedModel]:
        """Return so many of each cool-down at most, evenly by drift, and all that were tried.

        Args:
            backbone: its knobs.
            tried: the knobs of tried models.
        """
        self._look_at_new(backbone)
        groups = self._found.get(backbone, {}).values()
        return [model for models in groups for model in _thinned(models, tried)]

    def is_over(self, exact: Scores) -> bool:
        """Whether what is known of a model is over a limit."""
        return any(excess > 0 for excess in excesses(exact, self._limits).values())

    def _look_at_new(self, backbone: Knobs) -> None:
        known = self._screened.of(backbone)
        new = known[self._num_seen.get(backbone, 0) :]
        self._num_seen[backbone] = len(known)
        kept = [s for s in new if s.drift is not None and not self.is_over(s.scores)]
        found = self._found.setdefault(backbone, {})
        for images in dict.fromkeys(screening.cool_down_images for screening in kept):
            models = [ScreenedModel.of(s) for s in kept if s.cool_down_images == images]
            found[images] = self._with(found.get(images, []), models)

    def _with(self, best: list[ScreenedModel], new: list[ScreenedModel]) -> list[ScreenedModel]:
        """Return the unbeaten ones of two groups, of which the first is unbeaten in itself."""
        new = [new[place] for place in non_dominated(self._values(new).tolist())]
        if not best:
            return new
        ours, theirs = self._values(best)[:, None], self._values(new)[None]
        kept = np.flatnonzero(~dominates(theirs, ours).any(axis=1))
        added = np.flatnonzero(~dominates(ours, theirs).any(axis=0))
        return [best[place] for place in kept] + [new[place] for place in added]

    def _values(self, models: Sequence[ScreenedModel]) -> np.ndarray:
        """Return drift and exact objectives, [models, 1 + objectives]."""
        exact = ([model.screening.scores[name] for name in self._exact] for model in models)
        return np.array([[m.point.drift, *known] for m, known in zip(models, exact, strict=True)])


def logs_of(screening: Screening) -> list[float]:
    """Return the logarithms of all that is known of a model whose drift is."""
    exact = (screening.scores[name] for name in EXACT)
    drift = max(screening.drift or 0.0, LEAST_DRIFT)
    return [math.log(value) for value in (drift, 1 + screening.cool_down_images, *exact)]


def point_of(params: Mapping[str, Any], screening: Screening) -> Point:
    """Return a screened model, drawn from as knobs say, as a prediction sees it."""
    return Point(
        model_knobs(params),
        backbone_knobs(params),
        sampling_knobs(params),
        screening.drift or 0.0,
        screening.cool_down_images > 0,
        int(screening.scores["parameters"]),
    )


def _thinned(models: Iterable[ScreenedModel], tried: Collection[Knobs]) -> list[ScreenedModel]:
    by_drift = sorted(models, key=lambda model: model.point.drift)
    count = min(MOST_UNBEATEN, len(by_drift))
    places = {round(place) for place in np.linspace(0, len(by_drift) - 1, count)}
    return [m for n, m in enumerate(by_drift) if n in places or m.point.model in tried]
