"""How much of the objectives' space a trial may add to the front: its expected hypervolume."""

import numpy as np
from scipy.special import ndtr

NUM_PLACES = 512
PLACES_SEED = 0
CHUNK = 1_000  # Candidates that are looked at together, for memory's sake.


class Gap:
    """The space between a front and its reference: places that nothing dominates yet."""

    def __init__(self, front: np.ndarray, least: np.ndarray, reference: np.ndarray) -> None:
        """Spread places.

        Args:
            front: [points, objectives], all minimised.
            least: [objectives], the lowest that is to be expected.
            reference: [objectives], from where nothing counts.
        """
        generator = np.random.default_rng(PLACES_SEED)
        places = generator.uniform(least, reference, (NUM_PLACES, len(reference)))
        reaches = np.ones((len(front), NUM_PLACES), dtype=bool)
        for place, point in zip(places.T, front.T, strict=True):
            reaches &= point[:, None] <= place[None]
        self._places = places[~reaches.any(axis=0)]

    def gains(self, means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
        """Return the share of all places that each candidate is expected to dominate.

        A candidate dominates a place with the product of the chances to be below it in each
        objective, so that the mean over places is its expected improvement of the hypervolume
        (Emmerich et al. 2006), by Monte Carlo over places in place of the exact integral.

        Args:
            means: [candidates, objectives].
            deviations: likewise; 0 where a value is known.
        """
        chunks = [slice(n, n + CHUNK) for n in range(0, len(means), CHUNK)]
        parts = [self._chances(means[c], deviations[c]).sum(axis=1) for c in chunks]
        return np.concatenate(parts) / NUM_PLACES

    def gain(self, means: np.ndarray, deviations: np.ndarray) -> float:
        """Return the share of all places that the best of some candidates for each dominates."""
        return float(self._chances(means, deviations).max(axis=0, initial=0.0).sum() / NUM_PLACES)

    def _chances(self, means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
        """Return how probably each candidate dominates each place, [candidates, places]."""
        chances = np.ones((len(means), len(self._places)))
        for place, mean, deviation in zip(self._places.T, means.T, deviations.T, strict=True):
            distance = place[None] - mean[:, None]
            known = (deviation == 0)[:, None]
            below = ndtr(distance / np.where(known, 1.0, deviation[:, None]))
            chances *= np.where(known, distance >= 0, below)
        return chances
