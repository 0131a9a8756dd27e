"""What the ended trials of a study say of its backbones, taken in as they end, in any order."""

import math
from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from statistics import median
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState, create_trial

from search_spaces.space import BACKBONE_PREFIX
from study.engine.knob_sets import Knobs, all_knobs, backbone_knobs, model_knobs, sampling_knobs
from study.results.dominance import dominates
from study.results.objectives import Scores, costs
from study.results.records import TrialRecord

# What a training and a cool-down cost beside drawing and scoring, before any was timed.
TRAINING_RATIO, COOL_DOWN_RATIO = 16.0, 4.0
# What a trial that trains nothing takes at most, in units of drawing and scoring: it screens, too.
UNITS_A_TRIAL = 2.0
MOST_SECONDS = 1e12


@dataclass(frozen=True)
class Variant:
    """One compression of a backbone, complete or refused.

    Attributes:
        costs: its objectives, all to be minimised; None where it was refused.
        excess: above 0 where it broke a limit or could not be built.
    """

    trial: FrozenTrial
    costs: list[float] | None
    excess: float

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.trial.number

    @property
    def scores(self) -> Scores:
        """What the trial measured; nothing where it was refused."""
        return dict(self.trial.user_attrs.get("scores") or {})

    @cached_property
    def compression(self) -> FrozenTrial:
        """The trial without the knobs of its backbone."""
        return _part(self.trial, False, self.costs, self.excess)


@dataclass
class BackboneHistory:
    """What is known of one backbone.

    Attributes:
        tried: whether a trial of it was started.
        trial: the first one that ended.
        variants: by number.
        best: the least of each objective, over its feasible variants if there are any.
        excess: how far the best variant is from keeping to the limits.
        stopped: costs of its training where that was stopped early, at the last rung.
        train_seconds: that it took, where known.
    """

    tried: bool = False
    trial: FrozenTrial | None = None
    variants: list[Variant] = field(default_factory=list)
    best: list[float] | None = None
    excess: float = math.inf
    stopped: list[float] | None = None
    train_seconds: float = 0.0

    def add(self, variant: Variant) -> None:
        """Take in a variant."""
        insort(self.variants, variant, key=attrgetter("number"))
        excess = max(variant.excess, 0.0)
        if variant.costs is not None and self.best is not None and excess == self.excess == 0:
            self.best = [min(pair) for pair in zip(self.best, variant.costs, strict=True)]
        elif excess < self.excess:
            self.best, self.excess = variant.costs, excess

    @property
    def training(self) -> FrozenTrial | None:
        """A trial with the knobs of the backbone alone; None while nothing is known of it."""
        best = self.best or self.stopped
        if self.trial is None or (best is None and self.tried):
            return None
        return _part(self.trial, True, best, self.excess if self.variants else 0.0)


class History:
    """The ended trials, by backbone.

    Attributes:
        known: the knobs of every trial that was started or refused.
        models: the same without the knobs of drawing, of those that were started.
        ways: the knobs of drawing of all that is known, by its other knobs.
        running: the knobs of those that were started and have not ended.
        num_accepted: trials that were started.
        backbones: by the values of their knobs.
        complete: every complete variant, by number.
        front: feasible variants that no other one dominates, by number.
    """

    def __init__(self, objectives: tuple[str, ...]) -> None:
        self.known: set[Knobs] = set()
        self.models: set[Knobs] = set()
        self.ways: dict[Knobs, set[Knobs]] = {}
        self.running: dict[Knobs, Mapping[str, Any]] = {}
        self.num_accepted = 0
        self.backbones: dict[Knobs, BackboneHistory] = {}
        self.complete: list[Variant] = []
        self.front: list[Variant] = []
        self._objectives = objectives
        self._score_seconds: list[float] = []
        self._cool_down_seconds: list[float] = []

    def accept(self, params: Mapping[str, Any]) -> None:
        """Learn that a trial was started."""
        self._know(params)
        self.models.add(model_knobs(params))
        self.running[all_knobs(params)] = params
        self.num_accepted += 1
        self._backbone(params).tried = True

    def take_in(self, record: TrialRecord, trial: FrozenTrial) -> None:
        """Learn from a trial that ended."""
        self.running.pop(all_knobs(trial.params), None)
        backbone = self._backbone(trial.params)
        if backbone.trial is None or trial.number < backbone.trial.number:
            backbone.trial = trial
        if record.state == "complete":
            self._take_in_complete(backbone, record, trial)
        elif record.state == "infeasible" and all_knobs(trial.params) not in self.known:
            self._know(trial.params)
            backbone.add(Variant(trial, None, 1.0))
        elif record.state == "pruned" and record.rungs:
            backbone.stopped = _known_costs(record.rungs[max(record.rungs)], self._objectives)

    def new_share(self, default: float) -> float:
        """Return the share of trials that shall train a new backbone.

        Training and scoring shall cost about the same in all.

        Args:
            default: for as long as no timings are known.
        """
        train = self._train_seconds()
        if not train or not self._score_seconds:
            return default
        return 1 / (1 + _ratio(train, self._score_seconds))

    def cost(self, *, trains: bool, cools: bool) -> float:
        """Return what a trial costs, in units of drawing and scoring.

        Args:
            trains: whether a training has to be done for it.
            cools: whether a cool-down has to.
        """
        train = _ratio(self._train_seconds(), self._score_seconds, TRAINING_RATIO)
        cool_down = _ratio(self._cool_down_seconds, self._score_seconds, COOL_DOWN_RATIO)
        return 1 + trains * train + cools * cool_down

    def outlasts(self, trials: float, *, trains: bool, cools: bool) -> bool:
        """Whether what a trial trains takes longer than so many trials that train nothing.

        A worker at it would be the last one of a study, while the others wait.
        """
        return self.cost(trains=trains, cools=cools) - 1 > UNITS_A_TRIAL * trials

    def _train_seconds(self) -> list[float]:
        return [b.train_seconds for b in self.backbones.values() if b.train_seconds > 0]

    def _know(self, params: Mapping[str, Any]) -> None:
        self.known.add(all_knobs(params))
        self.ways.setdefault(model_knobs(params), set()).add(sampling_knobs(params))

    def _backbone(self, params: Mapping[str, Any]) -> BackboneHistory:
        return self.backbones.setdefault(backbone_knobs(params), BackboneHistory())

    def _take_in_complete(
        self, backbone: BackboneHistory, record: TrialRecord, trial: FrozenTrial
    ) -> None:
        scores: Scores = record.scores or {}
        excess = max(trial.constraints.values(), default=0.0)
        variant = Variant(trial, costs(scores, self._objectives), excess)
        backbone.add(variant)
        insort(self.complete, variant, key=attrgetter("number"))
        backbone.train_seconds = max(backbone.train_seconds, _seconds(scores, "train"))
        if score_seconds := _seconds(scores, "generate") + _seconds(scores, "score"):
            insort(self._score_seconds, score_seconds)
        if cool_down_seconds := _seconds(scores, "finetune"):
            insort(self._cool_down_seconds, cool_down_seconds)
        if record.feasible:
            self._enter_front(variant)

    def _enter_front(self, variant: Variant) -> None:
        new, points = np.asarray(variant.costs), np.asarray([v.costs for v in self.front])
        points = points.reshape(-1, len(new))
        if dominates(points, new).any():
            return
        beaten = dominates(new, points)
        self.front = [v for v, is_beaten in zip(self.front, beaten, strict=True) if not is_beaten]
        insort(self.front, variant, key=attrgetter("number"))


def _part(
    trial: FrozenTrial, of_backbone: bool, values: list[float] | None, excess: float
) -> FrozenTrial:
    """Return a trial with the knobs of its backbone alone, or with all others."""
    names = [name for name in trial.params if name.startswith(BACKBONE_PREFIX) == of_backbone]
    return create_trial(
        state=TrialState.PRUNED if values is None else TrialState.COMPLETE,
        params={name: trial.params[name] for name in names},
        distributions={name: trial.distributions[name] for name in names},
        values=values,
        constraints={"excess": excess},
    )


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


def _known_costs(scores: Scores, objectives: tuple[str, ...]) -> list[float] | None:
    try:
        return costs(scores, objectives)
    except ValueError:  # one that only a finished trial has
        return None
