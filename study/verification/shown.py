"""A run as it is shown: with its verified scores, as those finished trials that are asked for."""

import math
from dataclasses import replace

from study.results.filters import EVERYTHING, Filter
from study.results.limits import scores_of
from study.run.packages import sound_run
from study.run.run import Run
from study.verification.confidence import NOISY
from study.verification.file import Verification
from study.verification.point import Point
from study.verification.verified import verified_run


def shown_run(run: Run, chosen: Filter = EVERYTHING) -> Run:
    """Return a run with verified scores, if all of its front has such, and without unsound models.

    The arguments, and what is raised, are those of `scored_run`.
    """
    return sound_run(scored_run(run, chosen))


def scored_run(run: Run, chosen: Filter = EVERYTHING) -> Run:
    """Return a run with verified scores, if all of its front has such; nothing is written.

    Args:
        run: as it was read.
        chosen: which of its finished trials the front is made of. Where its front is not all
            verified, the scores are the search's.

    Raises:
        ValueError: what the verification left is damaged.
    """
    known = Verification.load(run)
    seen = run.narrowed(chosen) if chosen else run
    aims = {*seen.objectives, *scores_of(seen.limits), *chosen.least}.intersection(NOISY)
    points = {number: point for number, point in known.points.items() if _has(point, aims)}
    return verified_run(replace(known, run=seen, points=points))


def _has(point: Point, names: set[str]) -> bool:
    """Whether all scores of a point have these names; one without a value is not asked for."""
    drawn = [scores for found in point.seeds.values() for scores in found.values()]
    return all(_is_finite(scores.get(name)) for scores in drawn for name in names)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
