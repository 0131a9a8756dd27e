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


@dataclass(frozen=True)
class _Group:
    """Models of one backbone and cool-down.

    Attributes:
        values: drift and exact objectives, [models, 1 + objectives].
    """

    models: list[ScreenedModel]
    values: np.ndarray

    def at(self, places: Iterable[int]) -> "_Group":
        """Return some of them."""
        chosen = list(places)
        return _Group([self.models[place] for place in chosen], self.values[chosen])

    def with_new(self, new: "_Group") -> "_Group":
        """Return those of two groups that none beats; in each of them none beats another."""
        ours, theirs = self.values[:, None], new.values[None]
        kept = self.at(np.flatnonzero(~dominates(theirs, ours).any(axis=1)))
        added = new.at(np.flatnonzero(~dominates(ours, theirs).any(axis=0)))
        return _Group(kept.models + added.models, np.concatenate([kept.values, added.values]))

    def thinned(self, tried: Collection[int]) -> list[ScreenedModel]:
        """Return so many at most, evenly by drift, and besides all whose screening is given."""
        by_drift = np.argsort(self.values[:, 0], kind="stable").tolist()
        count = min(MOST_UNBEATEN, len(by_drift))
        places = {round(place) for place in np.linspace(0, len(by_drift) - 1, count)}
        in_order = ((n, self.models[place]) for n, place in enumerate(by_drift))
        return [m for n, m in in_order if n in places or id(m.screening) in tried]


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
        self._found: dict[Knobs, dict[int, _Group]] = {}

    def of(self, backbone: Knobs, tried: Iterable[Screening]) -> list[ScreenedModel]:
        """Return so many of each cool-down at most, evenly by drift, and all that were tried.

        Args:
            backbone: its knobs.
            tried: the screenings of tried models.
        """
        self._look_at_new(backbone)
        kept = {id(screening) for screening in tried}
        groups = self._found.get(backbone, {}).values()
        return [model for group in groups for model in group.thinned(kept)]

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
            group = self._unbeaten([s for s in kept if s.cool_down_images == images])
            found[images] = found[images].with_new(group) if images in found else group

    def _unbeaten(self, screenings: Iterable[Screening]) -> _Group:
        models = [ScreenedModel.of(screening) for screening in screenings]
        values = [[m.point.drift, *(m.screening.scores[n] for n in self._exact)] for m in models]
        return _Group(models, np.array(values)).at(non_dominated(values))


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
