"""Compressions that were screened: what they change in the denoiser and what they cost is known.

No trial ran them, so their objectives are not known, but those that a file and a network tell
without drawing an image. Knobs of drawing play no part: a model is the same whatever is drawn
from it, so screenings are told apart without them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from diffusion.recipe import Recipe
from study.engine.knob_sets import Knobs, backbone_and_model, sampling_knobs
from study.results.screenings import EXACT, MOST_DRIFT, YARDSTICK, Screening


class Screened:
    """All that was screened in a study, by backbone."""

    def __init__(self) -> None:
        self._ways: dict[Knobs, None] = {}
        self._by_backbone: dict[Knobs, dict[Knobs, Screening]] = {}
        self._in_order: list[Screening] = []

    def __len__(self) -> int:
        """How many there are."""
        return len(self._in_order)

    def add(self, screenings: Iterable[Screening]) -> None:
        """Take in screenings; the first of each compression stays.

        Those of another yardstick, as of a run of before, are left out: drifts of two kinds do
        not compare.
        """
        for screening in screenings:
            if screening.yardstick != YARDSTICK:
                continue
            backbone, model = backbone_and_model(screening.knobs)
            found = self._by_backbone.setdefault(backbone, {})
            if model not in found:
                found[model] = screening
                self._in_order.append(screening)
            self._ways.setdefault(sampling_knobs(screening.knobs))

    def of(self, backbone: Knobs) -> list[Screening]:
        """Return those of one backbone, in the order in which they were screened."""
        return list(self._by_backbone.get(backbone, {}).values())

    def count(self, backbone: Knobs) -> int:
        """Return how many there are of one backbone."""
        return len(self._by_backbone.get(backbone, {}))

    def find(self, params: Mapping[str, Any]) -> Screening | None:
        """Return the screening of the model that knobs draw, or None."""
        backbone, model = backbone_and_model(params)
        return self._by_backbone.get(backbone, {}).get(model)

    def latest(self, count: int) -> list[Screening]:
        """Return so many of those that were screened last, whatever their backbone."""
        return self._in_order[-count:]

    def ways(self, count: int) -> list[Knobs]:
        """Return the knobs of drawing that occurred, the latest so many of them."""
        return list(self._ways)[-count:]

    @property
    def backbones(self) -> list[Knobs]:
        """The backbones of which something was screened, in order."""
        return list(self._by_backbone)


def as_screenings(
    asked: Iterable[tuple[Mapping[str, Any], Recipe]], found: Iterable[Mapping[str, Any]]
) -> list[Screening]:
    """Return what a worker found, with the knobs and recipes that it was asked for."""
    by_key = {recipe.key: (knobs, recipe) for knobs, recipe in asked}
    screenings = []
    for values in found:
        knobs, recipe = by_key[values["recipe_key"]]
        drift = values["drift"]
        whole = drift is not None and 0 <= drift < MOST_DRIFT and all(map(values.get, EXACT))
        screening = Screening(
            knobs=knobs,
            drift=drift if whole else None,
            cool_down_images=recipe.compression.finetune_images,
            scores={name: values[name] for name in EXACT} if whole else {},
            reason=None if whole else values["reason"] or "no weights are left, or none finite",
        )
        screenings.append(screening)
    return screenings
