"""The Fréchet distance between two sets of features, in float64.

The Gaussian Fréchet distance is Dowson and Landau's (1982); as a score of generated images it is
the FID of Heusel et al. 2017 (arXiv:1706.08500). Any features will do: [N, d] in, one number out.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from diffusion.errors import MetricUndefined

logger = logging.getLogger(__name__)

# Count, mean [d] and scatter [d, d] (the sum of the outer products around the mean).
Moments = tuple[int, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class GaussianStatistics:
    """The Gaussian fitted to the features of `count` images.

    Attributes:
        count: how many images the Gaussian is fitted to.
        mean: the mean of the features, [d] float64.
        covariance: the covariance of the features, [d, d] float64, unbiased (divided by
            count - 1).

    Raises:
        MetricUndefined: fewer than two images, or values that are not finite.
        ValueError: shapes that do not belong together.
    """

    count: int
    mean: np.ndarray
    covariance: np.ndarray

    def __post_init__(self) -> None:
        _check_count(self.count)
        dimension = self.mean.size
        if self.mean.shape != (dimension,) or self.covariance.shape != (dimension, dimension):
            raise ValueError(
                f"mean is {self.mean.shape} and covariance {self.covariance.shape}; "
                "allowed: (d,) and (d, d)"
            )
        _check_finite(self.mean, self.covariance)

    @classmethod
    def from_features(cls, features: np.ndarray) -> Self:
        """Fit a Gaussian to [N, d] features."""
        return cls.from_batches([features])

    @classmethod
    def from_batches(cls, batches: Iterable[np.ndarray]) -> Self:
        """Fit a Gaussian to features that arrive in parts, holding one part at a time.

        Args:
            batches: the parts, [N, d] features each, of any N; the division into parts does not
                matter.
        """
        whole: Moments | None = None
        for batch in batches:
            x = as_features(batch)
            if len(x):
                whole = _moments(x) if whole is None else _merge(whole, _moments(x))
        if whole is None:
            raise _too_few(0)
        return cls._from_moments(whole)

    @classmethod
    def _from_moments(cls, moments: Moments) -> Self:
        count, mean, scatter = moments
        _check_count(count)
        return cls(count, mean, scatter / (count - 1))

    @property
    def dimension(self) -> int:
        """The length of a feature vector."""
        return self.mean.size

    def merge(self, other: Self) -> Self:
        """Return the statistics of both sets of images together, exactly."""
        return self._from_moments(_merge(self._moments(), other._moments()))

    def _moments(self) -> Moments:
        return self.count, self.mean, (self.count - 1) * self.covariance


class FrechetReference:
    """The reference side of the distance, with the root of its covariance computed once.

    Attributes:
        statistics: the Gaussian that others are compared with.
        root: the symmetric square root of its covariance, [d, d] float64.

    Args:
        statistics: the Gaussian that others are compared with.
        root: the root of an earlier reference with the same statistics, to save its computation.

    Raises:
        MetricUndefined: the root has values that are not finite.
        ValueError: the root has another shape than the covariance.
    """

    def __init__(self, statistics: GaussianStatistics, root: np.ndarray | None = None) -> None:
        _warn_if_few("reference", statistics)
        self.statistics = statistics
        self.root = _symmetric_root(statistics.covariance) if root is None else root
        if self.root.shape != statistics.covariance.shape:
            raise ValueError(
                f"root is {self.root.shape}; allowed: {statistics.covariance.shape}, as the "
                "covariance"
            )
        _check_finite(self.root)

    def distance(self, statistics: GaussianStatistics, *, warn: bool = True) -> float:
        """Return the squared Fréchet distance of the statistics to the reference, at least 0.

        Args:
            statistics: the Gaussian of the scored images.
            warn: whether to log a warning of fewer images than features.

        Raises:
            ValueError: the two have features of different lengths.
        """
        check_dimensions(self.statistics.dimension, statistics.dimension)
        if warn:
            _warn_if_few("scored", statistics)
        # R S is not symmetric; sqrt(R) S sqrt(R) is, and has the same eigenvalues.
        product = self.root @ statistics.covariance @ self.root
        # On x86 torch's solver takes half the time of numpy's, with thousands of features.
        eigenvalues = torch.linalg.eigvalsh(torch.from_numpy(product)).numpy()
        trace_of_root = np.sqrt(without_rounding(eigenvalues)).sum()
        reference = self.statistics
        traces = np.trace(statistics.covariance) + np.trace(reference.covariance)
        shift = statistics.mean - reference.mean
        return max(float(shift @ shift + traces - 2 * trace_of_root), 0.0)


def as_features(features: np.ndarray) -> np.ndarray:
    """Return features in float64, checked to be [N, d] and finite.

    Raises:
        MetricUndefined: values that are not finite.
        ValueError: another shape.
    """
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2:
        raise ValueError(f"features have shape {x.shape}; allowed: (images, dimension)")
    _check_finite(x)
    return x


def as_feature_pair(features: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two checked sets of features of one dimension, [N, d] and [M, d], in float64.

    Raises:
        MetricUndefined: values that are not finite.
        ValueError: another shape, or two dimensions.
    """
    x, y = as_features(features), as_features(others)
    check_dimensions(y.shape[1], x.shape[1])
    return x, y


def _moments(x: np.ndarray) -> Moments:
    mean = x.mean(axis=0)
    centred = x - mean
    return len(x), mean, centred.T @ centred


def _merge(first: Moments, second: Moments) -> Moments:
    """Combine the moments of two sets of images (Chan, Golub and LeVeque 1979).

    "Updating formulae and a pairwise algorithm for computing sample variances", equation 2.1.
    """
    (n, mean, scatter), (m, other_mean, other_scatter) = first, second
    check_dimensions(mean.size, other_mean.size)
    count = n + m
    delta = other_mean - mean
    between = np.outer(delta, delta) * (n * m / count)
    return count, mean + delta * (m / count), scatter + other_scatter + between


def _symmetric_root(covariance: np.ndarray) -> np.ndarray:
    eigenvalues, vectors = np.linalg.eigh(covariance)
    root: np.ndarray = (vectors * np.sqrt(without_rounding(eigenvalues))) @ vectors.T
    return root


def without_rounding(eigenvalues: np.ndarray) -> np.ndarray:
    """Set to 0 what only rounding lifts above or pushes below it, as numpy's matrix_rank does.

    The roots of such values, of features that are 0 in all images, would be a million times
    larger than the values and change the distance in its seventh digit.
    """
    least = eigenvalues.max(initial=0) * len(eigenvalues) * np.finfo(np.float64).eps
    return np.where(eigenvalues > least, eigenvalues, 0.0)


def _check_count(count: int) -> None:
    if count < 2:
        raise _too_few(count)


def _too_few(count: int) -> MetricUndefined:
    return MetricUndefined(f"a covariance of {count} images; allowed: at least 2")


def _check_finite(*arrays: np.ndarray) -> None:
    bad = sum(int((~np.isfinite(array)).sum()) for array in arrays)
    if bad:
        raise MetricUndefined(f"{bad} feature values are NaN or infinite; allowed: finite ones")


def check_dimensions(ours: int, theirs: int) -> None:
    if ours != theirs:
        raise ValueError(f"features have dimension {theirs}; allowed: {ours}, as the others")


def _warn_if_few(side: str, statistics: GaussianStatistics) -> None:
    count, dimension = statistics.count, statistics.dimension
    if count <= dimension:
        message = "%d %s images for %d features: far too few, the distance is biased upward"
        logger.warning(message, count, side, dimension)
