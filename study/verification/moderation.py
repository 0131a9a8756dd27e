"""Variances of few measurements each, moderated: drawn towards what all have in common.

The more so, the less they differ beyond chance (Smyth 2004, "Linear models and empirical Bayes
methods for assessing differential expression in microarray experiments", Statistical Applications
in Genetics and Molecular Biology 3, sections 4 and 6).
"""

import math

import numpy as np
from scipy import special  # its `optimize` takes a third of a second to import

LEAST_EXCESS = 1e-6  # of the variance of logarithms; less is none


def moderate(residuals: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Moderate the variances of residuals [P, S].

    Points whose values happen to be equal say nothing of the others, but are not exact either:
    they get their share of what the others have in common.

    Args:
        own: the degrees of freedom of each point's own variance, [P].

    Returns:
        Each point's variance, [P], and its degrees of freedom then, [P].
    """
    variances = (residuals**2).sum(axis=1) / own
    varied = variances > 0
    prior_degrees, prior = _fit_prior(variances[varied], own[varied])
    share = own / (own + prior_degrees)
    moderated = share * variances + (1 - share) * prior
    degrees = np.minimum(own + prior_degrees, _pooled_degrees(residuals[varied], own[varied]))
    return moderated, degrees


def _fit_prior(variances: np.ndarray, own: np.ndarray) -> tuple[float, float]:
    """Return the degrees of freedom and the variance that the points have in common.

    The moments of the logarithms (Smyth 2004, section 6.2): infinitely many degrees where the
    variances differ no more than by chance, none for one point alone.
    """
    if len(variances) < 2:
        return 0.0, 0.0
    logs = np.log(variances) - special.digamma(own / 2) + np.log(own / 2)
    excess = float(np.var(logs, ddof=1) - special.polygamma(1, own / 2).mean())
    if excess <= LEAST_EXCESS:
        return math.inf, float(np.average(variances, weights=own))
    from scipy import optimize

    half = float(optimize.brentq(lambda x: special.polygamma(1, x) - excess, 1e-6, 1e7))
    return 2 * half, float(np.exp(logs.mean() + special.digamma(half) - np.log(half)))


def _pooled_degrees(residuals: np.ndarray, own: np.ndarray) -> float:
    """Return the degrees of freedom of the points' variances put together.

    They are P times those of one point, if the points are independent, and no more than those of
    one if all move together, as models of one training do under the same noise. In between they
    are n tr(C)^2 / tr(C^2), with the covariance C between the points (Satterthwaite 1946); both
    traces are estimated without bias (Bai and Saranadasa 1996, section 3).
    """
    n = float(own.mean())
    if n <= 1:
        return float(own.max())  # Two seeds cannot tell.
    total = float((residuals**2).sum())
    squares = float(((residuals @ residuals.T) ** 2).sum()) / total**2
    trace_of_square = n**2 / ((n - 1) * (n + 2)) * (squares - 1 / n)
    squared_trace = 1 - 2 * trace_of_square / n
    most, least = float(own.sum()), float(own.max())
    if trace_of_square * most <= n * squared_trace:
        return most
    return max(n * squared_trace / trace_of_square, least)


def shrunk(cosines: np.ndarray, dimensions: int) -> np.ndarray:
    """Shrink the correlations of points towards their mean, as far as chance explains them.

    In few dimensions directions are alike by chance. The correlations become a weighted mean of
    themselves and of their own mean, with the weight that has the least expected error (Ledoit
    and Wolf 2003, "Improved estimation of the covariance matrix of stock returns", section 2.4).

    Args:
        cosines: between the points' residuals, [P, P].
        dimensions: that the residuals span: seeds less one.
    """
    pairs = cosines[np.triu_indices_from(cosines, k=1)]
    if len(pairs) < 2 or dimensions < 2:
        return cosines
    n = dimensions
    # The variance of a correlation is about (1 - r^2)^2 / n; in its expectation over random
    # directions, where that of r is 1 / n, (1 - r^2)^2 is on average the divisor.
    divisor = 1 - 2 / n + 3 / (n * (n + 2))
    chance = float(((1 - pairs**2) ** 2).mean()) / n / divisor
    spread = float(pairs.var())
    weight = min(chance / spread, 1.0) if spread > 0 else 1.0
    towards = np.full_like(cosines, max(float(pairs.mean()), 0.0))
    np.fill_diagonal(towards, 1.0)
    return weight * towards + (1 - weight) * cosines
