"""Which trial is worth its cost: the one with the most hypervolume to be expected a second.

What a trial costs follows from what the study's trials took; what it brings, from its outlook.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from study.engine.candidates import Candidate, Candidates, Model
from study.engine.effort import ANYTHING, Allowance
from study.engine.history import History
from study.engine.knob_sets import sampling_knobs
from study.engine.outlook import Outlook
from study.engine.prediction import Point
from study.engine.screened import Screened

# A study has so many trials, and what is begun takes one of them: so many units of drawing and
# scoring, beside the time that it costs. Two were worth as many seconds before drawing took half
# as long; docs/speed.md has a quick study with two and with five.
TRIAL_WORTH = 5.0
Prices = Mapping[tuple[bool, bool], float]  # By whether a trial trains, and cools down.
# Screened models that are looked at in all their ways of drawing.
MOST_MODELS = 32


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
        self._points: dict[int, Point] = {}  # of complete trials, by number

    def choose(
        self, trainings: Sequence[Sequence[Candidate]], allowed: Allowance = ANYTHING
    ) -> dict[str, Any] | None:
        """Return the knobs of the next trial, or None where nothing can be said yet.

        Args:
            trainings: for each new backbone what it might be compressed to.
            allowed: what the trial may take.
        """
        outlook = Outlook(self._history, self._screened, self._objectives, self._points)
        prices = self._prices(allowed.trials_meanwhile)
        models = [m for m in self.candidates.models() if m.effort <= allowed.most]
        trainings = [group for group in trainings if group]
        if not outlook.measured or not (models or trainings):
            return None
        in_time = (
            [model for model in models if (False, model.cools) in prices],
            [kept for t in trainings if (kept := [c for c in t if (True, c.cools) in prices])],
        )
        if any(in_time):
            models, trainings = in_time
        else:
            prices = self._prices(math.inf)
        models = self._close(models, outlook, prices)
        groups = [[model.drawn(way)] for model in models for way in model.ways]
        return _best([*groups, *trainings], outlook, prices)

    def _close(self, models: list[Model], outlook: Outlook, prices: Prices) -> list[Model]:
        """Return the models to look at closely: the most promising, by one of their ways each."""
        if len(models) <= MOST_MODELS:
            return models
        ways = Counter(sampling_knobs(v.trial.params) for v in self._history.front)
        glimpses = [model.drawn(max(model.ways, key=lambda w: ways[w])) for model in models]
        means, deviations = outlook.values(glimpses)
        gains = outlook.gap(means, deviations).gains(means, deviations)
        rates = gains / np.array([prices[False, model.cools] for model in models])
        return [models[place] for place in sorted(np.argsort(-rates, kind="stable")[:MOST_MODELS])]

    def _prices(self, trials: float) -> Prices:
        """Return what a trial costs, where it does not outlast so many trials of others."""
        timings = self._history.timings
        return {
            (trains, cools): TRIAL_WORTH + timings.cost(trains=trains, cools=cools)
            for trains, cools in product((False, True), repeat=2)
            if not timings.outlasts(trials, trains=trains, cools=cools)
        }


def _best(
    groups: Sequence[Sequence[Candidate]],
    outlook: Outlook,
    prices: Prices,
) -> dict[str, Any] | None:
    """Return the knobs of what promises most for its price; None where nothing does."""
    flat = [candidate for group in groups for candidate in group]
    means, deviations = outlook.values(flat)
    gap = outlook.gap(means, deviations)
    gains = gap.gains(means, deviations)
    best, best_rate, start = None, 0.0, 0
    for group in groups:
        own = slice(start, start + len(group))
        start += len(group)
        # All that a training may give at once: they share what is uncertain of it.
        gain = gains[own][0] if len(group) == 1 else gap.gain(means[own], deviations[own])
        favourite = group[int(gains[own].argmax())]
        rate = gain / prices[favourite.trains, favourite.cools]
        if rate > best_rate:
            best, best_rate = favourite, rate
    return None if best is None else best.knobs
