"""Which trial is worth its cost: the one with the most hypervolume to be expected a second.

Objectives that a file and a network tell are known of every candidate; the others are predicted.
Trials that run count as if they had ended as predicted.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from study.engine.candidates import Candidate, Candidates, point_of
from study.engine.effort import ANYTHING, Allowance
from study.engine.gain import Gap
from study.engine.history import History, Variant
from study.engine.prediction import Point, Prediction
from study.engine.screened import Screened
from study.results.limits import NOISE
from study.results.screenings import EXACT

# A study has so many trials, and what is begun takes one of them: so many units of drawing and
# scoring, beside the time that it costs.
TRIAL_WORTH = 4.0
WORK = tuple(
    product((False, True), repeat=2)
)  # Whether a trial trains, and whether it cools down.
MOST_MEASURED = 200  # Trials that predictions learn from, the latest ones.
# From where on nothing counts, where noise sets no end: beyond the worst of the front by so much
# of its extent, and by a factor at least.
MARGIN, LEAST_MARGIN = 0.5, float(np.log(2))
LEAST_DEVIATIONS = 2.0  # So far below its mean a cost may lie.


class Chooser:
    """Chooses from candidates by what ended trials say."""

    def __init__(
        self,
        history: History,
        screened: Screened,
        objectives: tuple[str, ...],
        limits: Mapping[str, float],
    ) -> None:
        """Look at a study, which goes on meanwhile."""
        self.candidates = Candidates(history, screened, objectives, limits)
        self._history = history
        self._screened = screened
        self._objectives = objectives
        self._predictions: dict[str, Prediction] = {}

    def choose(
        self, trainings: Sequence[Sequence[Candidate]], allowed: Allowance = ANYTHING
    ) -> dict[str, Any] | None:
        """Return the knobs of the next trial, or None where nothing can be said yet.

        Args:
            trainings: for each new backbone what it might be compressed to.
            allowed: what the trial may take.
        """
        measured, costs = self._measured(), self._costs()
        compressions = (c for c in self.candidates.compressions() if c.effort <= allowed.most)
        offered = [*([candidate] for candidate in compressions), *(t for t in trainings if t)]
        if not measured or not offered:
            return None
        groups = self._ending_within(allowed.trials_meanwhile, offered) or offered
        self._fit(measured)
        flat = [candidate for group in groups for candidate in group]
        means, deviations = self._values(flat)
        gap = self._gap(measured, means, deviations)
        gains = gap.gains(means, deviations)
        best, best_rate, start = None, 0.0, 0
        for group in groups:
            own = slice(start, start + len(group))
            start += len(group)
            # All that a training may give at once: they share what is uncertain of it.
            gain = gains[own][0] if len(group) == 1 else gap.gain(means[own], deviations[own])
            favourite = group[int(gains[own].argmax())]
            rate = gain / (TRIAL_WORTH + costs[favourite.trains, favourite.cools])
            if rate > best_rate:
                best, best_rate = favourite, rate
        return None if best is None else best.knobs

    def _costs(self) -> dict[tuple[bool, bool], float]:
        """Return what a trial costs, by whether it trains and whether it cools down."""
        return {
            (trains, cools): self._history.timings.cost(trains=trains, cools=cools)
            for trains, cools in WORK
        }

    def _ending_within(
        self, trials: float, groups: Sequence[Sequence[Candidate]]
    ) -> list[Sequence[Candidate]]:
        """Return groups of the candidates that do not outlast so many trials of others."""
        outlasting = {
            (trains, cools): self._history.timings.outlasts(trials, trains=trains, cools=cools)
            for trains, cools in WORK
        }
        kept = ([c for c in group if not outlasting[c.trains, c.cools]] for group in groups)
        return [group for group in kept if group]

    def _measured(self) -> list[tuple[Variant, Point]]:
        """Return complete trials whose drift is known."""
        found = []
        for variant in self._history.complete[-MOST_MEASURED:]:
            screening = self._screened.find(variant.trial.params)
            if screening is not None and screening.drift is not None:
                found.append((variant, point_of(variant.trial.params, screening)))
        return found

    def _fit(self, measured: Sequence[tuple[Variant, Point]]) -> None:
        points = [point for _, point in measured]
        for place, name in enumerate(self._objectives):
            if name not in EXACT:
                costs = [variant.costs[place] for variant, _ in measured if variant.costs]
                positive = all(v.costs[place] > 0 for v in self._history.complete if v.costs)
                self._predictions[name] = Prediction(points, costs, logarithmic=positive)

    def _values(self, candidates: Sequence[Candidate]) -> tuple[np.ndarray, np.ndarray]:
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

    def _gap(
        self,
        measured: Sequence[tuple[Variant, Point]],
        means: np.ndarray,
        deviations: np.ndarray,
    ) -> Gap:
        front = self._scaled([v.costs for v in self._history.front or [v for v, _ in measured]])
        least = np.minimum(front.min(axis=0), (means - LEAST_DEVIATIONS * deviations).min(axis=0))
        extent = np.maximum(MARGIN * np.ptp(front, axis=0), LEAST_MARGIN)
        reference = front.max(axis=0) + extent
        if self._history.front and "fid" in self._objectives:
            noise = max((v.scores.get(NOISE) or 0.0 for v, _ in measured), default=0.0)
            place = self._objectives.index("fid")
            if 0 < noise < np.inf:
                # Half way to noise: what lies beyond shows nothing any more.
                of_noise = float(self._predictions["fid"].scaled(np.array(noise)))
                reference[place] = (front[:, place].min() + of_noise) / 2
        reference = np.maximum(reference, least + LEAST_MARGIN)
        if pending := list(self._pending()):
            front = np.vstack([front, self._values(pending)[0]])
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
