"""The influence of each image on the Fréchet distance, by which its variance is known.

The influence function of a statistic T is its derivative when the weight of one observation
grows (Hampel 1974, "The influence curve and its role in robust estimation"), and the variance of
T is about that of the mean of the influences: the delta method, also called the infinitesimal
jackknife (Efron 1982, "The jackknife, the bootstrap and other resampling plans", chapter 6).

T is the distance of Dowson and Landau (1982), |mu - m|^2 + tr(S + R - 2 (R^1/2 S R^1/2)^1/2). Its
derivative with respect to S is G = I - R^1/2 A^-1/2 R^1/2 with A = R^1/2 S R^1/2, since that of
tr A^1/2 is tr(A^-1/2 dA) / 2 (Bhatia, Jain and Lim 2019, "On the Bures-Wasserstein distance
between positive definite matrices", arXiv:1712.01504; Higham 2008, "Functions of matrices",
chapter 3). Where A is singular its pseudo-inverse serves: no image of the sample has a part in
the null space.
"""

import numpy as np
import torch

from diffusion.score.frechet import (
    FrechetReference,
    GaussianStatistics,
    as_features,
    check_dimensions,
    without_rounding,
)


def influences(features: np.ndarray, reference: FrechetReference) -> np.ndarray:
    """Return the influence of each image on the distance of all of them to the reference.

    Args:
        features: the features of the images, [N, d].
        reference: the side of the distance that has no part in its variance.

    Returns:
        [N] float64 with mean 0: with weight (1 - e) / N + e of image i and (1 - e) / N of each
        other one, the distance grows by e times the influence of i, as e goes to 0.

    Raises:
        MetricUndefined: fewer than two images, or values that are not finite.
        ValueError: the two have features of different lengths.
    """
    x = as_features(features)
    statistics = GaussianStatistics.from_features(x)
    check_dimensions(reference.statistics.dimension, statistics.dimension)
    shift = statistics.mean - reference.statistics.mean
    centred = x - statistics.mean
    by_mean = 2 * centred @ shift
    by_covariance = (centred**2).sum(axis=1) - _root_parts(centred, statistics, reference)
    # The covariance is unbiased, so the derivative of its N / (N - 1) scatter is scaled alike.
    by_covariance *= len(x) / (len(x) - 1)
    influence: np.ndarray = by_mean + by_covariance - by_covariance.mean()
    return influence


def _root_parts(
    centred: np.ndarray, statistics: GaussianStatistics, reference: FrechetReference
) -> np.ndarray:
    """Return x^T R^1/2 A^-1/2 R^1/2 x for each row x of the centred features, [N]."""
    product = reference.root @ statistics.covariance @ reference.root
    eigenvalues, vectors = (part.numpy() for part in torch.linalg.eigh(torch.from_numpy(product)))
    eigenvalues = without_rounding(eigenvalues)
    kept = eigenvalues > 0
    along = centred @ (reference.root @ vectors[:, kept])
    parts: np.ndarray = along**2 @ (1 / np.sqrt(eigenvalues[kept]))
    return parts
