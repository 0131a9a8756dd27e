"""The backbones of a design: few, every level of their knobs, those good for their size first.

Of models of one size those are better that compute more, and compression makes any model several
times smaller. So the first is what computes most for each of its parameters. The others are chosen
greedily from what is drawn at random: what brings most new levels, and of that what lies farthest
from those chosen, in the logarithms of training cost and size (a maximin design, Johnson, Moore
and Ylvisaker 1990).
"""

import math
from dataclasses import dataclass

import numpy as np

from diffusion.errors import InfeasibleRecipe
from diffusion.recipe import DataConfig, NetworkConfig
from search_spaces.space import BACKBONE_PREFIX, SearchSpace, Value
from study.engine.design_draws import Candidate, Level, NetworkCost, candidates, network_cost
from study.engine.draws import draw_seed
from study.engine.knob_sets import Knobs, backbone_knobs

NUM_DRAWS = 120
MOST_NETWORKS = 32  # That are counted: a small one takes a hundredth of a second.
LEAST_BACKBONES = 4  # Where the space has so many: the drawer begins with so many, too.
AFFORDABLE_SHARE = 0.75  # Of all drawn, by the cost of training; the dearest come last.
PLACE = -1  # Of the design in the study, before its first trial.


@dataclass(frozen=True)
class Backbone:
    """A backbone that can be built.

    Attributes:
        knobs: its own, without those of a compression.
        levels: of these.
        cost: of its network.
        train_macs: of its training.
    """

    knobs: dict[str, Value]
    levels: frozenset[Level]
    cost: NetworkCost
    train_macs: int

    @property
    def intensity(self) -> float:
        """The multiply-accumulates of its training for each parameter."""
        return self.train_macs / self.cost.parameters


def drawn_backbones(space: SearchSpace, data: DataConfig, seed: int) -> list[Backbone]:
    """Draw backbones at random, each once, and count what they cost.

    Raises:
        ValueError: none of them can be built.
    """
    seeds = (draw_seed(seed, PLACE, place) for place in range(NUM_DRAWS))
    drawn = {backbone_knobs(c.knobs): c for c in candidates(space, data, seeds)}
    counting = _Counting(data)
    # What brings a new level before what does not, since not all networks are counted.
    for new_levels in (True, False):
        for candidate in drawn.values():
            counting.count(candidate, new_levels=new_levels)
    if not counting.backbones:
        raise ValueError(
            f"search space {space.name!r} draws nothing that can be built, in {NUM_DRAWS} draws "
            f"at random: {counting.fault}"
        )
    return list(counting.backbones.values())


class _Counting:
    """Counts what backbones cost, each network once.

    Attributes:
        backbones: that can be built, by their knobs.
        fault: why the last one of the others cannot.
    """

    def __init__(self, data: DataConfig) -> None:
        self.backbones: dict[Knobs, Backbone] = {}
        self.fault = "no draw makes a recipe"
        self._data = data
        self._costs: dict[NetworkConfig, NetworkCost | None] = {}
        self._num_counted = 0
        self._seen: set[Level] = set()

    def count(self, candidate: Candidate, *, new_levels: bool) -> None:
        """Take a backbone in, or pass it over where it has to bring new levels and does not."""
        knobs = backbone_knobs(candidate.knobs)
        levels = frozenset(level for level in candidate.levels if _is_backbone(level[0]))
        if knobs in self.backbones or (new_levels and levels <= self._seen):
            return
        cost = self._cost(candidate.recipe.network)
        if cost is not None:
            train_macs = cost.train_macs(candidate.recipe)
            self.backbones[knobs] = Backbone(dict(knobs), levels, cost, train_macs)
            self._seen |= levels

    def _cost(self, network: NetworkConfig) -> NetworkCost | None:
        """Return what a network costs; None where it cannot be built, or too many were counted."""
        if network not in self._costs:
            if self._num_counted == MOST_NETWORKS:
                return None
            try:
                self._costs[network] = network_cost(network, self._data)
                self._num_counted += 1
            except InfeasibleRecipe as error:
                self._costs[network], self.fault = None, str(error)
        return self._costs[network]


def chosen_backbones(drawn: list[Backbone], most: int) -> list[Backbone]:
    """Choose backbones, until every level occurs and there are as many as a search begins with.

    Args:
        drawn: to choose from; not empty.
        most: to choose.

    Returns:
        Those chosen, by what they compute for their size, but the dearest trainings last.
    """
    points = _points(drawn)
    order = np.argsort(points.sum(axis=1), kind="stable")
    costs = [backbone.train_macs for backbone in drawn]
    dear = np.quantile(costs, AFFORDABLE_SHARE, method="lower")
    by_worth = sorted(map(int, order), key=lambda p: (costs[p] > dear, -drawn[p].intensity))
    chosen = [by_worth[0]]
    wanted = frozenset[Level]().union(*(backbone.levels for backbone in drawn))
    while len(chosen) < min(most, len(drawn)):
        missing = wanted.difference(*(drawn[place].levels for place in chosen))
        if not missing and len(chosen) >= LEAST_BACKBONES:
            break
        gaps = np.linalg.norm(points[:, None] - points[chosen], axis=2).min(axis=1)
        rest = (int(place) for place in order if place not in chosen)
        chosen.append(max(rest, key=lambda p: (len(drawn[p].levels & missing), gaps[p])))
    return [drawn[place] for place in by_worth if place in chosen]


def _points(backbones: list[Backbone]) -> np.ndarray:
    """Return where backbones lie, [num_backbones, 2] in [0, 1]: log training cost, log size."""
    logs = np.array([[math.log(b.train_macs), math.log(b.cost.parameters)] for b in backbones])
    span = np.ptp(logs, axis=0)
    scaled: np.ndarray = (logs - logs.min(axis=0)) / np.where(span > 0, span, 1.0)
    return scaled


def _is_backbone(name: str) -> bool:
    return name.startswith(BACKBONE_PREFIX)
