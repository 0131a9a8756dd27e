"""What might be tried next: screened compressions, and new backbones compressed like the front.

Of a backbone's screened compressions only those count that no other one beats in drift and in
what is known exactly. Each is offered with every way of drawing that the study knows, so that a
model on the front is tried with another guidance, too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from study.engine.effort import Effort
from study.engine.history import History
from study.engine.knob_sets import Knobs, all_knobs, backbone_knobs, model_knobs
from study.engine.prediction import Point
from study.engine.screened import Screened
from study.engine.unbeaten import ScreenedModel, Unbeaten, logs_of, point_of
from study.results.limits import score_of
from study.results.objectives import Scores
from study.results.screenings import EXACT, Screening

MOST_SAMPLINGS = 16  # Ways of drawing, the latest known.
MOST_PROFILES = 8  # Compressions of the front that a new backbone is imagined with.
# A model that differs from a tried one by less in all that is known, as two steps of rounding
# that are nearly equal do, shows nothing that the other one has not shown.
ALIKE = 0.03

NetworkCounts = Callable[[float], Scores]


@dataclass(frozen=True)
class Candidate:
    """A trial that might be started.

    Attributes:
        knobs: that draw it.
        point: by which its costs are predicted.
        screening: of its model, or what it would be.
        trains, cools: whether a training, or a cool-down, has to be done for it.
    """

    knobs: dict[str, Any]
    point: Point
    screening: Screening
    trains: bool
    cools: bool


@dataclass(frozen=True)
class Model:
    """A model of a trained backbone that might be made, or drawn from in another way.

    Attributes:
        point: of it as it was screened.
        ways: of drawing that were not tried with it.
        cools: whether a cool-down has to be done for it.
    """

    point: Point
    screening: Screening
    ways: tuple[Knobs, ...]
    cools: bool

    @property
    def effort(self) -> Effort:
        """What a trial of it has to do."""
        return Effort.COOL_DOWN if self.cools else Effort.COMPRESSION

    def drawn(self, way: Knobs) -> Candidate:
        """Return the trial that draws from it in a way."""
        knobs = dict((*self.point.model, *way))
        return Candidate(
            knobs, replace(self.point, sampling=way), self.screening, False, self.cools
        )


class Candidates:
    """Finds them in what ended and what was screened."""

    def __init__(
        self,
        history: History,
        screened: Screened,
        objectives: Sequence[str],
        limits: Mapping[str, float],
    ) -> None:
        """Look at a study, which goes on meanwhile."""
        self._history = history
        self._screened = screened
        exact = [name for name in objectives if name in EXACT]
        exact_limits = {key: limit for key, limit in limits.items() if score_of(key) in EXACT}
        self._unbeaten = Unbeaten(screened, exact, exact_limits)
        self._offered: dict[Knobs, tuple[object, list[Model]]] = {}  # when they were looked up
        self._ended: dict[Knobs, dict[int, Screening]] = {}  # by backbone and trial

    def models(self) -> Iterator[Model]:
        """Return untried models of trained backbones, and tried ones to draw from otherwise."""
        ways = self._screened.ways(MOST_SAMPLINGS)
        for backbone in self._screened.backbones:
            known = self._history.backbones[backbone]
            # Where there is a front, what kept to no limit yet is not looked at any more.
            if known.best is None or (self._history.front and known.excess > 0):
                continue
            now = known.num_news, self._screened.count(backbone), ways
            looked_up, models = self._offered.get(backbone, (None, []))
            if looked_up != now:
                models = list(self._models_of(backbone, ways))
                self._offered[backbone] = now, models
            yield from models

    def _models_of(self, backbone: Knobs, ways: Sequence[Knobs]) -> Iterator[Model]:
        names = {way: {name for name, _ in way} for way in ways}
        # Their other ways would wait for the same cool-down, and for what their first one tells.
        begun = {model_knobs(params) for params in self._history.running.values()}
        first = begun - self._history.made
        tried_before = self._tried_screenings(backbone)
        unbeaten = self._unbeaten.of(backbone, tried_before)
        for found, is_alike in zip(unbeaten, _are_alike(unbeaten, tried_before), strict=True):
            point = found.point
            is_new = point.model not in self._history.models
            if point.model in first or (is_new and is_alike):
                continue
            tried = self._history.ways.get(point.model, set())
            fitting = (way for way, knobs in names.items() if knobs == found.knobs_of_drawing)
            if untried := tuple(way for way in fitting if way not in tried):
                yield Model(point, found.screening, untried, point.is_cooled and is_new)

    def trainings(self, backbone: Knobs, counts: NetworkCounts) -> Iterator[Candidate]:
        """Return a new backbone with the compressions of the front.

        Args:
            backbone: its knobs.
            counts: returns its parameters and multiply-accumulates without a share of its
                channels.
        """
        for variant in self._history.front[:MOST_PROFILES]:
            params = variant.trial.params
            screening = self._screened.find(params)
            if screening is None or screening.drift is None:
                continue
            network = counts(variant.channel_ratio)
            share = network["parameters"] / int(screening.scores["parameters"])
            exact = {name: share * screening.scores[name] for name in EXACT} | network
            if self._unbeaten.is_over(exact):
                continue
            others = (item for item in all_knobs(params) if item not in backbone_knobs(params))
            knobs = dict((*backbone, *others))
            if all_knobs(knobs) in self._history.known:  # refused before
                continue
            point = replace(point_of(knobs, screening), parameters=network["parameters"])
            imagined = replace(screening, scores=exact)
            yield Candidate(knobs, point, imagined, True, screening.cool_down_images > 0)

    def _tried_screenings(self, backbone: Knobs) -> list[Screening]:
        """Return what was screened of the models that trials tried or try.

        Those over a limit are left out: what is like them may keep to it.
        """
        ended = self._ended.setdefault(backbone, {})
        for variant in self._history.backbones[backbone].variants:
            if variant.number in ended or variant.excess > 0:
                continue
            # Not known yet, where another trial that runs is screening it.
            if (screening := self._find(variant.trial.params)) is not None:
                ended[variant.number] = screening
        running = (p for p in self._history.running.values() if backbone_knobs(p) == backbone)
        begun = [screening for p in running if (screening := self._find(p)) is not None]
        return [*ended.values(), *begun]

    def _find(self, params: Mapping[str, Any]) -> Screening | None:
        screening = self._screened.find(params)
        return None if screening is None or screening.drift is None else screening


def _are_alike(models: Sequence[ScreenedModel], tried: Iterable[Screening]) -> np.ndarray:
    """Return which models are like one that was tried, [N]."""
    alike = np.zeros(len(models), dtype=bool)
    logs = np.array([model.logs for model in models])
    for screening in tried if len(models) else ():
        alike |= (np.abs(logs - np.array(logs_of(screening))) < ALIKE).all(axis=1)
    return alike
