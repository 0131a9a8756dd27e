"""How much of the plane a set of trials covers, by which searches are compared.

The area itself is moocore's (of the `test` extra); here are the scales and the reference point.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import moocore
import numpy as np

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
    """Return the area of (ln FID, log10 bytes) between points and the reference.

    Args:
        points: (FID, size in bytes) of each trial; those beyond the reference cover nothing.
    """
    scaled = [(math.log(fid), math.log10(size)) for fid, size in points]
    return float(moocore.hypervolume(np.array(scaled).reshape(-1, 2), ref=REFERENCE))


def reach(course: Sequence[Moment], target: float) -> Moment | None:
    """Return the first moment of a search at which it covers as much as `target`."""
    return next((moment for moment in course if moment.hypervolume >= target), None)
