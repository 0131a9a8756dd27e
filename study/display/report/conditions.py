"""What figures were measured under: kept once for all trials that share it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from study.display.report.metrics import METRICS, figure
from study.results.limits import NOISE
from study.results.words import counted

FLOOR = "_floor"


class Conditions:
    """The different conditions of a run's trials.

    Attributes:
        found: each with its `lines`, as labels and texts, what real images reach in each figure
            as `floors`, and what uniform noise does as `noise`.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.found: list[dict[str, Any]] = []
        self._places: dict[str, int] = {}

    def place(self, scores: Mapping[str, Any]) -> int:
        """Return the place of the conditions of a trial's scores."""
        floors = {metric.name: figure(scores.get(metric.name + FLOOR)) for metric in METRICS}
        conditions = {
            "lines": list(_lines(scores)),
            "floors": {name: value for name, value in floors.items() if value is not None},
            "noise": figure(scores.get(NOISE)),
        }
        key = json.dumps(conditions, sort_keys=True)
        if key not in self._places:
            self._places[key] = len(self.found)
            self.found.append(conditions)
        return self._places[key]


def _lines(scores: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is known of how a trial's scores came to be."""
    images, seeds = scores.get("fid_num_images"), scores.get("verified_seeds")
    if images is not None:
        drawn = f"{images:,} images" if seeds is None else f"{seeds} seeds x {images:,} images"
        yield "drawn", f"{drawn}, against the train split"
    if (real := scores.get("num_images_floor")) is not None:
        yield "compared with", f"{real:,} real images, as many noise images"
    if extractor := scores.get("extractor"):
        yield "features", f"{extractor} ({str(scores.get('extractor_sha256'))[:12]})"
    if reference := scores.get("reference_sha256"):
        yield "references", str(reference)[:12]
    if (device := scores.get("gpu", scores.get("device"))) is not None:
        yield "computed on", f"{device}, {_threads(scores)}"
    versions = [f"{name} {scores[name]}" for name in ("paretodiff", "torch") if name in scores]
    if versions:
        yield "versions", ", ".join(versions)


def _threads(scores: Mapping[str, Any]) -> str:
    """Return how many threads there were; a journal may hold anything in their place."""
    count = scores.get("threads")
    return counted(count, "thread") if isinstance(count, int) else f"{count} threads"
