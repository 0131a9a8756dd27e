"""What candidates would score, and what of the objectives' space is still to be had.

Objectives that a file and a network tell are known of every candidate; the others are predicted.
Trials that run count as if they had ended as predicted.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from study.engine.candidates import Candidate
from study.engine.gain import Gap
from study.engine.history import History, Variant
from study.engine.prediction import Point, Prediction
from study.engine.screened import Screened
from study.engine.unbeaten import point_of
from study.results.limits import NOISE
from study.results.screenings import EXACT

MOST_MEASURED = 200  # Trials that predictions learn from, the latest ones.
# From where on nothing counts, where noise sets no end: beyond the worst of the front by so much
# of its extent, and by a factor at least.
MARGIN, LEAST_MARGIN = 0.5, float(np.log(2))
LEAST_DEVIATIONS = 2.0  # So far below its mean a cost may lie.


class Outlook:
    """What a study's ended trials say of those that it might begin.

    Attributes:
        measured: complete trials whose drift is known; without any, nothing can be said.
    """

    def __init__(
        self,
        history: History,
        screened: Screened,
        objectives: tuple[str, ...],
        points: dict[int, Point],
    ) -> None:
        """Learn from a study as it is now.

        Args:
            points: of complete trials that were looked up before, by number; others are added.
        """
        self._points = points
        self._history = history
        self._screened = screened
        self._objectives = objectives
        self._predictions: dict[str, Prediction] = {}
        self.measured = self._find_measured()
        if self.measured:
            self._fit()

    def _find_measured(self) -> list[tuple[Variant, Point]]:
        """Return complete trials whose drift is known."""
        latest = self._history.complete[-MOST_MEASURED:]
        for variant in (v for v in latest if v.number not in self._points):
            screening = self._screened.find(variant.trial.params)
            if screening is not None and screening.drift is not None:
                self._points[variant.number] = point_of(variant.trial.params, screening)
        return [(v, self._points[v.number]) for v in latest if v.number in self._points]

    def _fit(self) -> None:
        points = [point for _, point in self.measured]
        for place, name in enumerate(self._objectives):
            if name not in EXACT:
                costs = [variant.costs[place] for variant, _ in self.measured if variant.costs]
                positive = all(v.costs[place] > 0 for v in self._history.complete if v.costs)
                self._predictions[name] = Prediction(points, costs, logarithmic=positive)

    def values(self, candidates: Sequence[Candidate]) -> tuple[np.ndarray, np.ndarray]:
        """Return means and standard deviations of scaled costs, [candidates, objectives]."""
        points, columns = [candidate.point for candidate in candidates], []
        for name in self._objectives:
            if name in EXACT:
                known = np.log(
                    [float(candidate.screening.scores[name]) for candidate in candidates]
                )
                columns.append((known, np.zeros(len(points))))
            else:
                columns.append(self._predictions[name].predict(points))
        means, deviations = zip(*columns, strict=True)
        return np.stack(means, axis=1), np.stack(deviations, axis=1)

    def gap(self, means: np.ndarray, deviations: np.ndarray) -> Gap:
        """Return the space between the front and its reference.

        Args:
            means: scaled costs of all candidates, [candidates, objectives].
            deviations: likewise.
        """
        front = self._scaled(
            [v.costs for v in self._history.front or [v for v, _ in self.measured]]
        )
        least = np.minimum(front.min(axis=0), (means - LEAST_DEVIATIONS * deviations).min(axis=0))
        extent = np.maximum(MARGIN * np.ptp(front, axis=0), LEAST_MARGIN)
        reference = front.max(axis=0) + extent
        if self._history.front and "fid" in self._objectives:
            noise = max((v.scores.get(NOISE) or 0.0 for v, _ in self.measured), default=0.0)
            place = self._objectives.index("fid")
            if 0 < noise < np.inf:
                # Half way to noise: what lies beyond shows nothing any more.
                of_noise = float(self._predictions["fid"].scaled(np.array(noise)))
                reference[place] = (front[:, place].min() + of_noise) / 2
        reference = np.maximum(reference, least + LEAST_MARGIN)
        if pending := list(self._pending()):
            front = np.vstack([front, self.values(pending)[0]])
        return Gap(front, least, reference)

    def _pending(self) -> Iterator[Candidate]:
        """Return running trials whose model was screened."""
        for params in self._history.running.values():
            screening = self._screened.find(params)
            if screening is not None and screening.drift is not None:
                point = point_of(params, screening)
                yield Candidate(dict(params), point, screening, False, False)

    def _scaled(self, costs: Sequence[Sequence[float] | None]) -> np.ndarray:
        values = np.array([row for row in costs if row is not None])
        columns = []
        for name, column in zip(self._objectives, values.T, strict=True):
            known = np.log(np.maximum(column, 1.0))
            columns.append(known if name in EXACT else self._predictions[name].scaled(column))
        return np.stack(columns, axis=1)
