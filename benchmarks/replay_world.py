"""The recorded trials as a world in simulated time, in which searches are replayed."""

import heapq
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Protocol

from benchmarks.hypervolume import Moment, hypervolume
from diffusion.recipe import DataConfig, Recipe
from study.engine.running import Assignment
from study.evaluation.replay_table import Table
from study.results.objectives import Scores

WORKERS = 2


class Search(Protocol):
    """Hands out trials and hears of them, as the dispatcher does."""

    looking: bool

    def next(self) -> Assignment | None: ...

    def judge(self, number: int, train_images: int, scores: Scores) -> bool: ...

    def end(self, number: int, scores: Scores | None, reason: str | None) -> None: ...


class World:
    """The recorded trainings and drawings, in simulated time.

    Attributes:
        data: that they were made with.
        seconds: since the search began.
        images: trained on so far.
    """

    def __init__(self, table: Table, slowdown: int, *, reuse: bool, judges: bool) -> None:
        """Begin with nothing trained.

        Args:
            slowdown: how many times as long every training takes, in images and seconds; its
                rungs stay where they are.
            reuse: whether a training feeds every trial that can use it.
            judges: whether trainings are judged on their way.
        """
        self.data = DataConfig.from_dict(table["conditions"]["data"])
        self.seconds, self.images = 0.0, 0
        self._scores = {row["key"]: row["scores"] for row in table["trials"]}
        self._backbones = table["backbones"]
        self._slowdown, self._reuse, self._judges = slowdown, reuse, judges
        self._reached: dict[str, tuple[float, float]] = {}  # images and seconds by backbone
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
        reached = self._reached.get(recipe.backbone_key, (0.0, 0.0)) if self._reuse else (0.0, 0.0)
        for rung, at_rung in self._course(recipe, scores):
            factor = self._slowdown if at_rung is scores else 1
            images, seconds = factor * rung, factor * at_rung["train_seconds"]
            if images <= reached[0]:
                continue
            self.images += images - reached[0]  # before: what is trained just then counts too
            yield seconds - reached[1]
            self._reached[recipe.backbone_key] = reached = (images, seconds)
            if self._judges and at_rung is not scores:
                yield _drawing_seconds(at_rung)
                if not search.judge(number, rung, at_rung):
                    search.end(number, None, None)
                    return
        yield _drawing_seconds(scores)
        self._points.append((scores["fid"], scores["size_bytes"]))
        train_seconds = self._slowdown * scores["train_seconds"]
        search.end(number, {**scores, "train_seconds": train_seconds}, None)

    def _course(self, recipe: Recipe, scores: Scores) -> list[tuple[int, Scores]]:
        """Return what is known of a training at its rungs, and at its end."""
        rungs: Mapping[str, Scores] = self._backbones[recipe.backbone_key]["rungs"]
        course = sorted((int(images), at_rung) for images, at_rung in rungs.items())
        return [*course, (recipe.training.train_images, scores)]


def _next(search: Search) -> Assignment | None:
    """Ask for a trial until one is found, since a look for one takes no simulated time."""
    assignment = search.next()
    while assignment is None and search.looking:
        assignment = search.next()
    return assignment


def _drawing_seconds(scores: Scores) -> float:
    return float(scores["generate_seconds"] + scores["score_seconds"])
