"""The kernel distance between two sets of features, which no number of images biases.

As a score of generated images it is the KID of Bińkowski et al. 2018 (arXiv:1801.01401): the
squared maximum mean discrepancy of Gretton et al. 2012 under a cubic kernel; numpy, float64.
"""

import numpy as np

from diffusion.errors import MetricUndefined
from diffusion.score.frechet import as_feature_pair

FEWEST_IMAGES = 4  # Half of them is the smallest subset that has a pair to compare.


def kernel_distance(
    features: np.ndarray,
    reference: np.ndarray,
    generator: np.random.Generator,
    *,
    subset_size: int = 1000,
    subsets: int = 50,
) -> tuple[float, float]:
    """Average the squared discrepancy over random subsets of both sets.

    A set of fewer than twice `subset_size` images halves the smaller set instead: subsets close
    to the whole set would be nearly the same, and their deviation nearly zero.

    Args:
        features: the features of the scored images, [N, d].
        reference: the features of the images they are compared with, [M, d].
        generator: the source of the random subsets.
        subset_size: how many images a subset holds, drawn without replacement; at least 2.
        subsets: how many subsets of each side are drawn, at least 2.

    Returns:
        The mean, whose expectation is 0 when both come from one distribution and which may
        then be negative, and the standard deviation over the subsets.

    Raises:
        MetricUndefined: fewer than 4 images on a side, or values that are not finite.
        ValueError: the shapes do not fit, or a number is too small.
    """
    if subset_size < 2 or subsets < 2:
        raise ValueError(
            f"subset_size is {subset_size} and subsets {subsets}; allowed: at least 2 of each"
        )
    x, y = as_feature_pair(features, reference)
    fewest = min(len(x), len(y))
    if fewest < FEWEST_IMAGES:
        raise MetricUndefined(
            f"a kernel distance of {fewest} images; allowed: at least {FEWEST_IMAGES}"
        )
    size = min(subset_size, fewest // 2)
    values = [
        squared_discrepancy(_draw(x, size, generator), _draw(y, size, generator))
        for _ in range(subsets)
    ]
    return float(np.mean(values)), float(np.std(values))


def squared_discrepancy(x: np.ndarray, y: np.ndarray) -> float:
    """Estimate the squared maximum mean discrepancy without bias (Gretton et al., equation 3).

    Args:
        x: [N, d] float64, at least two rows.
        y: [M, d] float64, at least two rows.
    """
    return _mean_within(x) + _mean_within(y) - 2 * _kernel_sum(x, y) / (len(x) * len(y))


def _mean_within(x: np.ndarray) -> float:
    """Average the kernel over the pairs of different rows."""
    own = np.square(x).sum(axis=1) / x.shape[1] + 1
    return float((_kernel_sum(x, x) - (own**3).sum()) / (len(x) * (len(x) - 1)))


def _kernel_sum(x: np.ndarray, y: np.ndarray) -> float:
    """Sum (x_i . y_j / d + 1)^3 over all pairs of rows."""
    products = x @ y.T
    products /= x.shape[1]
    products += 1
    # Cubes and adds in one pass; an array of the cubes would take twice as long.
    return float(np.einsum("ij,ij,ij->", products, products, products))


def _draw(x: np.ndarray, size: int, generator: np.random.Generator) -> np.ndarray:
    return x[generator.choice(len(x), size, replace=False)]
