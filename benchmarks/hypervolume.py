"""How much of the plane a set of trials covers, by which searches are compared."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Worse than noise and larger than any model here: ln FID and log10 bytes.
REFERENCE = (math.log(700), 7.0)


@dataclass(frozen=True)
class Moment:
    """A search at the end of one of its trials.

    Attributes:
        seconds: since its start.
        trained_images: by it so far.
        hypervolume: of the trials so far.
    """

    seconds: float
    trained_images: int
    hypervolume: float


def hypervolume(points: Iterable[Sequence[float]]) -> float:
    """Return the area between points and the reference.

    Args:
        points: (FID, size in bytes) of each trial.
    """
    covered, ceiling = 0.0, REFERENCE[0]
    for size, fid in sorted((math.log10(size), math.log(fid)) for fid, size in points):
        if fid < ceiling and size < REFERENCE[1]:
            covered += (ceiling - fid) * (REFERENCE[1] - size)
            ceiling = fid
    return covered


def reach(course: Sequence[Moment], target: float) -> Moment | None:
    """Return the first moment of a search at which it covers as much as `target`."""
    return next((moment for moment in course if moment.hypervolume >= target), None)
