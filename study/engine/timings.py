"""What trainings and cool-downs cost beside drawing and scoring, by the trials that ended."""

import math
from bisect import insort
from statistics import median

from study.engine.knob_sets import Knobs
from study.engine.pace import MOST_SECONDS
from study.results.objectives import Scores

# Ratios before any was timed.
TRAINING_RATIO, COOL_DOWN_RATIO = 16.0, 4.0
# About what a trial that trains nothing takes, in units of drawing and scoring: it screens, too
# (13 seconds beside 9, in a quick study on two cores).
UNITS_A_TRIAL = 2.0
# However long a training takes, it has this ratio where it is asked what outlasts what: where
# trainings take hours, they would be left out of whole studies.
MOST_OUTLASTING = TRAINING_RATIO


class Timings:
    """Seconds of trainings, of cool-downs, and of drawing and scoring."""

    def __init__(self) -> None:
        self._train_seconds: dict[Knobs, float] = {}  # by the backbone's knobs
        self._score_seconds: list[float] = []
        self._cool_down_seconds: list[float] = []

    def note(self, backbone: Knobs, scores: Scores) -> None:
        """Learn from a complete trial of a backbone."""
        if train_seconds := _seconds(scores, "train"):
            known = self._train_seconds.get(backbone, 0.0)
            self._train_seconds[backbone] = max(known, train_seconds)
        if score_seconds := _seconds(scores, "generate") + _seconds(scores, "score"):
            insort(self._score_seconds, score_seconds)
        if cool_down_seconds := _seconds(scores, "finetune"):
            insort(self._cool_down_seconds, cool_down_seconds)

    def new_share(self, default: float) -> float:
        """Return the share of trials that shall train a new backbone.

        Training and scoring shall cost about the same in all.

        Args:
            default: for as long as no timings are known.
        """
        train = list(self._train_seconds.values())
        if not train or not self._score_seconds:
            return default
        return 1 / (1 + _ratio(train, self._score_seconds))

    def cost(self, *, trains: bool, cools: bool) -> float:
        """Return what a trial costs, in units of drawing and scoring.

        Args:
            trains: whether a training has to be done for it.
            cools: whether a cool-down has to.
        """
        train = list(self._train_seconds.values())
        train_ratio = _ratio(train, self._score_seconds, TRAINING_RATIO)
        cool_down_ratio = _ratio(self._cool_down_seconds, self._score_seconds, COOL_DOWN_RATIO)
        return 1 + trains * train_ratio + cools * cool_down_ratio

    def outlasts(self, trials: float, *, trains: bool, cools: bool) -> bool:
        """Tell whether what a trial trains takes longer than others that train nothing.

        Args:
            trials: how many others, one after the other.
            trains: whether a training has to be done for it.
            cools: whether a cool-down has to.
        """
        units = min(self.cost(trains=trains, cools=cools) - 1, MOST_OUTLASTING)
        return units > UNITS_A_TRIAL * trials


def _ratio(dividends: list[float], divisors: list[float], default: float = 1.0) -> float:
    """Return the ratio of two medians, to a power of two.

    Timings are noisy, and a study must give the same proposals again.
    """
    if not dividends or not divisors:
        return default
    ratio = median(dividends) / median(divisors)
    return float(2.0 ** round(math.log2(ratio)))


def _seconds(scores: Scores, name: str) -> float:
    """Return the seconds of a part; 0 where the journal has none that could be."""
    seconds = float(scores.get(f"{name}_seconds") or 0.0)
    return seconds if 0 < seconds < MOST_SECONDS else 0.0
