"""The recorded trials as a world in simulated time, in which searches are replayed."""

import heapq
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from benchmarks.hypervolume import Moment, hypervolume
from diffusion.recipe import DataConfig, Recipe
from search_spaces import load_space
from study.engine.running import Assignment
from study.evaluation.context import TRAIN
from study.evaluation.replay_table import Table
from study.results.objectives import Scores
from study.results.screenings import Screening

WORKERS = 2
# Of one compression of mini_ddpm 12-32, of which 200 took one core 36 to 39 s; others take as
# much longer as their network has more multiply-accumulates.
SCREENING_SECONDS, SCREENED_MACS = 0.2, 5_932_864
TOLD = 9  # Places of a training, between two rungs and with them, at which a search is told of it.


class Search(Protocol):
    """Hands out trials and hears of them, as the dispatcher does."""

    looking: bool

    def next(self) -> Assignment | None: ...

    def progress(self, number: int, stage: str, share: float) -> None: ...

    def screened(self, number: int, found: Sequence[Mapping[str, Any]]) -> None: ...

    def judge(self, number: int, train_images: int, scores: Scores) -> bool: ...

    def end(self, number: int, scores: Scores | None, reason: str | None) -> None: ...


class World:
    """The recorded trainings, screenings and drawings, in simulated time.

    Attributes:
        data: that they were made with.
        seconds: since the search began.
        images: trained on so far, in trainings and cool-downs.
    """

    def __init__(self, table: Table, slowdown: int, *, reuse: bool, judges: bool) -> None:
        """Begin with nothing trained.

        Args:
            slowdown: how many times as long every training and cool-down takes, in images and
                seconds; rungs stay where they are.
            reuse: whether a training feeds every trial that can use it.
            judges: whether trainings are judged on their way.

        Raises:
            ValueError: a trial of the table has no screening.
        """
        self.data = DataConfig.from_dict(table["conditions"]["data"])
        self.seconds, self.images = 0.0, 0
        self._scores = {row["key"]: row["scores"] for row in table["trials"]}
        self._backbones = table["backbones"]
        self._screenings = _by_key(table, self.data)
        if lacking := sorted(set(self._scores) - set(self._screenings)):
            raise ValueError(
                f"no screening of recipe {lacking[0]}, nor of {len(lacking) - 1} others; allowed: "
                "a run without --no-reuse in which no screening broke"
            )
        self._slowdown, self._reuse, self._judges = slowdown, reuse, judges
        self._reached: dict[str, tuple[float, float]] = {}  # images and seconds by backbone
        self._cooled: set[str] = set()  # cool-down keys
        self._points: list[tuple[float, float]] = []

    def refusal(self, recipe: Recipe) -> str | None:
        """Say why a recipe cannot be replayed."""
        return None if recipe.key in self._scores else "not in the table"

    def run(self, search: Search, target: float = math.inf) -> list[Moment]:
        """Run a search to its end, or until it reaches a hypervolume."""
        moments, order, idle = [Moment(0.0, 0, 0.0)], itertools.count(), WORKERS
        events: list[tuple[float, int, Iterator[float]]] = []
        while moments[-1].hypervolume < target:
            while idle and (assignment := _next(search)):
                trial = self._trial(search, assignment)
                heapq.heappush(events, (self.seconds + next(trial), next(order), trial))
                idle -= 1
            if not events:
                break
            self.seconds, _, trial = heapq.heappop(events)
            if (wait := next(trial, None)) is not None:
                heapq.heappush(events, (self.seconds + wait, next(order), trial))
                continue
            idle += 1
            moments.append(Moment(self.seconds, self.images, hypervolume(self._points)))
        return moments

    def _trial(self, search: Search, assignment: Assignment) -> Iterator[float]:
        """Run a trial; yields the seconds that pass."""
        number, recipe = assignment.number, assignment.recipe
        scores = self._scores[recipe.key]
        for rung, at_rung, seconds, shares in self._training(recipe, scores):
            for share in np.linspace(*shares, TOLD)[1:]:
                yield seconds / (TOLD - 1)
                search.progress(number, TRAIN, float(share))
            if self._judges and at_rung is not scores:
                yield _drawing_seconds(at_rung)
                if not search.judge(number, rung, at_rung):
                    search.end(number, None, None)
                    return
        yield from self._cool_down(recipe, scores)
        yield _drawing_seconds(scores)
        if found := self._screened(assignment):
            yield sum(SCREENING_SECONDS * each["macs"] / SCREENED_MACS for each in found)
            search.screened(number, found)
        self._points.append((scores["fid"], scores["size_bytes"]))
        longer = {name: self._slowdown * scores[name] for name in _trained(scores)}
        search.end(number, {**scores, **longer}, None)

    def _training(
        self, recipe: Recipe, scores: Scores
    ) -> Iterator[tuple[int, Scores, float, tuple[float, float]]]:
        """Train on what is missing, up to each rung, then to the end.

        Yields:
            The rung, its scores and its seconds, and the shares of the training before and then.
        """
        whole = self._slowdown * recipe.training.train_images
        reached = self._reached.get(recipe.backbone_key, (0.0, 0.0)) if self._reuse else (0.0, 0.0)
        rungs: Mapping[str, Scores] = self._backbones[recipe.backbone_key]["rungs"]
        course = sorted((int(images), at_rung) for images, at_rung in rungs.items())
        for rung, at_rung in [*course, (recipe.training.train_images, scores)]:
            factor = self._slowdown if at_rung is scores else 1
            images, seconds = factor * rung, factor * at_rung["train_seconds"]
            if images <= reached[0]:
                continue
            self.images += int(images - reached[0])  # what is trained just then counts too
            shares = reached[0] / whole, images / whole
            missing, reached = seconds - reached[1], (images, seconds)
            # Before it ends there: who stops a training, does not come back here.
            self._reached[recipe.backbone_key] = reached
            yield rung, at_rung, missing, shares

    def _cool_down(self, recipe: Recipe, scores: Scores) -> Iterator[float]:
        images = recipe.compression.finetune_images
        if images and not (self._reuse and recipe.cool_down_key in self._cooled):
            self.images += self._slowdown * images
            yield self._slowdown * scores["finetune_seconds"]
            self._cooled.add(recipe.cool_down_key)

    def _screened(self, assignment: Assignment) -> list[dict[str, Any]]:
        """Return what a worker would find of what it is to screen, as far as it was recorded."""
        known = [(r.key, self._screenings.get(r.key)) for _, r in assignment.to_screen]
        return [
            {"recipe_key": key, "drift": found.drift, "reason": found.reason, **found.scores}
            for key, found in known
            if found is not None
        ]


def _by_key(table: Table, data: DataConfig) -> dict[str, Screening]:
    space = load_space(table["conditions"]["space"])
    screenings = [Screening.from_dict(values) for values in table["screenings"]]
    return {space.recipe(s.knobs, data).key: s for s in screenings}


def _next(search: Search) -> Assignment | None:
    """Ask for a trial until one is found, since a look for one takes no simulated time."""
    assignment = search.next()
    while assignment is None and search.looking:
        assignment = search.next()
    return assignment


def _trained(scores: Scores) -> list[str]:
    return [name for name in ("train_seconds", "finetune_seconds") if name in scores]


def _drawing_seconds(scores: Scores) -> float:
    """Return what drawing and scoring took; a rung whose images had no score has neither."""
    return float(scores.get("generate_seconds", 0.0) + scores.get("score_seconds", 0.0))
