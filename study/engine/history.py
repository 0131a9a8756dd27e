"""What the ended trials of a study say of its backbones, taken in as they end, in any order."""

import math
from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState, create_trial

from diffusion.recipe import Recipe
from search_spaces.space import BACKBONE_PREFIX
from study.engine.knob_sets import Knobs, all_knobs, backbone_knobs, model_knobs, sampling_knobs
from study.engine.timings import Timings
from study.results.dominance import dominates
from study.results.objectives import Scores, costs
from study.results.records import TrialRecord
from study.run.trial_attributes import RECIPE, attributes


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
        return dict(attributes(self.trial).get("scores") or {})

    @property
    def channel_ratio(self) -> float:
        """The share of its network's channels that the trial removed."""
        recipe = attributes(self.trial).get(RECIPE)
        return 0.0 if recipe is None else Recipe.from_dict(recipe).compression.channel_ratio

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
        num_news: how often anything was learned of it.
    """

    tried: bool = False
    trial: FrozenTrial | None = None
    variants: list[Variant] = field(default_factory=list)
    best: list[float] | None = None
    excess: float = math.inf
    stopped: list[float] | None = None
    num_news: int = 0

    def add(self, variant: Variant) -> None:
        """Take in a variant."""
        insort(self.variants, variant, key=attrgetter("number"))
        excess = max(variant.excess, 0.0)
        if variant.costs is not None and self.best is not None and excess == self.excess == 0:
            self.best = [min(pair) for pair in zip(self.best, variant.costs, strict=True)]
        elif excess < self.excess or (excess == self.excess and self._is_first(variant.costs)):
            self.best, self.excess = variant.costs, excess

    def _is_first(self, costs: list[float] | None) -> bool:
        """Whether costs go before those known, of as much excess, whatever the order of ends."""
        return costs is not None and (self.best is None or costs < self.best)

    @property
    def num_refused(self) -> int:
        """How many of its compressions were refused, before one was tried."""
        return 0 if self.tried else len(self.variants)

    @property
    def training(self) -> FrozenTrial | None:
        """A trial with the knobs of the backbone alone; None while nothing is known of it."""
        if self.trial is None or self.told is None:
            return None
        return _part(self.trial, True, *self.told)

    @property
    def told(self) -> tuple[list[float] | None, float] | None:
        """The values and the excess of that trial."""
        best = self.best or self.stopped
        if self.trial is None or (best is None and self.tried):
            return None
        return best, self.excess if self.variants else 0.0


class History:
    """The ended trials, by backbone.

    Attributes:
        known: the knobs of every trial that was started or refused.
        models: the same without the knobs of drawing, of those that were started.
        made: of these, the ones of which a trial is complete.
        timings: of the complete trials.
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
        self.made: set[Knobs] = set()
        self.timings = Timings()

    def accept(self, params: Mapping[str, Any]) -> None:
        """Learn that a trial was started."""
        self._know(params)
        self.models.add(model_knobs(params))
        self.running[all_knobs(params)] = params
        self.num_accepted += 1
        self._learning_of(params).tried = True

    def take_in(self, record: TrialRecord, trial: FrozenTrial) -> None:
        """Learn from a trial that ended."""
        self.running.pop(all_knobs(trial.params), None)
        backbone = self._learning_of(trial.params)
        if backbone.trial is None or trial.number < backbone.trial.number:
            backbone.trial = trial
        if record.state == "complete":
            self._take_in_complete(backbone, record, trial)
        elif record.state == "infeasible" and all_knobs(trial.params) not in self.known:
            self._know(trial.params)
            backbone.add(Variant(trial, None, 1.0))
        elif record.state == "pruned" and record.rungs:
            backbone.stopped = _known_costs(record.rungs[max(record.rungs)], self._objectives)

    def _know(self, params: Mapping[str, Any]) -> None:
        self.known.add(all_knobs(params))
        self.ways.setdefault(model_knobs(params), set()).add(sampling_knobs(params))

    def _learning_of(self, params: Mapping[str, Any]) -> BackboneHistory:
        """Return the backbone of which something is about to be learned."""
        backbone = self.backbones.setdefault(backbone_knobs(params), BackboneHistory())
        backbone.num_news += 1
        return backbone

    def _take_in_complete(
        self, backbone: BackboneHistory, record: TrialRecord, trial: FrozenTrial
    ) -> None:
        scores: Scores = record.scores or {}
        excess = max(trial.constraints.values(), default=0.0)
        variant = Variant(trial, costs(scores, self._objectives), excess)
        backbone.add(variant)
        insort(self.complete, variant, key=attrgetter("number"))
        self.made.add(model_knobs(trial.params))
        self.timings.note(backbone_knobs(trial.params), scores)
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


def _known_costs(scores: Scores, objectives: tuple[str, ...]) -> list[float] | None:
    try:
        return costs(scores, objectives)
    except ValueError:  # one that only a finished trial has
        return None
