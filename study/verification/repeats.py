"""Repeated measurements of several points, and how far the truth may lie from their means.

A few seeds are too few for a variance of a point's own: of three, Student's t reaches 4.3 standard
errors. So the variances of all points are moderated by each other. What they have in common is a
deviation in proportion to the root of the mean. The variance of a Fréchet distance is that of a
mean shift, 4 d' S d / N, and so grows as the distance d' d does: with 1,000 real digits, distorted
to FIDs of 2.5 to 256, the deviations grow as the power 0.50 of the FID, and are 0.20 to 0.32 of
its root, but 0.014 to 0.13 of the FID itself.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import special  # `stats` takes half a second to import

from study.verification.moderation import moderate, shrunk

# An objective of a point: its value for each seed of the noise, or one value that is exact.
Measured = Mapping[int, float] | float

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Repeats:
    """One objective of P points, each measured under some of S seeds.

    Attributes:
        means: the mean of each point, [P].
        errors: what each seed adds to the error of each mean, [P, S + P], 0 where a point lacks
            it: the squares of a row add up to the squared standard error. The last P columns are
            of points whose values are equal, so that no seed shows how they move.
        degrees: the degrees of freedom of each standard error, [P]; 1 where the error is 0.
        growth: the logarithm of what each standard error was multiplied by, [P].
        num_seeds: S.
    """

    means: np.ndarray
    errors: np.ndarray
    degrees: np.ndarray
    growth: np.ndarray
    num_seeds: int

    @classmethod
    def of(cls, measured: Sequence[Measured], seeds: Sequence[int]) -> Self:
        """Moderate the variances of points that were measured under these seeds.

        Raises:
            ValueError: a value is not finite, or a point has fewer than two seeds.
        """
        for values in measured:
            _check(values)
        means = np.array([_mean(values) for values in measured])
        residuals = np.array([_residuals(values, seeds) for values in measured])
        own = np.array([len(v) - 1 if isinstance(v, Mapping) else 0 for v in measured])
        errors = np.concatenate([residuals, np.zeros((len(own), len(own)))], axis=1)
        degrees, growth = np.ones(len(own)), np.zeros(len(own))
        lengths = np.sqrt((residuals**2).sum(axis=1))
        repeated, varied = own > 0, lengths > 0
        if varied.any():
            scales, own = _scales(measured, means)[repeated], own[repeated]
            variances, degrees[repeated] = moderate(residuals[repeated] / scales[:, None], own)
            deviations = np.zeros_like(means)
            deviations[repeated] = scales * np.sqrt(variances / (own + 1))
            directions = errors[varied] / lengths[varied, None]
            errors[varied] = directions * deviations[varied, None]
            still = np.flatnonzero(repeated & ~varied)
            errors[still, len(seeds) + still] = deviations[still]
            moderated = scales * np.sqrt(variances * own)
            growth[varied] = np.log(moderated[varied[repeated]] / lengths[varied])
        return cls(means, errors, degrees, growth, len(seeds))

    def intervals(self) -> list[tuple[float, float, float]]:
        """Return the mean of each point and its 95 % interval (Student's t)."""
        reach = special.stdtrit(self.degrees, (1 + CONFIDENCE) / 2)  # of Student's t
        margins = reach * np.sqrt((self.errors**2).sum(axis=1))
        ends = zip(self.means, self.means - margins, self.means + margins, strict=True)
        return [(float(mean), float(low), float(high)) for mean, low, high in ends]


def draw_jointly(
    objectives: Sequence[Repeats], draws: int, generator: np.random.Generator
) -> np.ndarray:
    """Draw what the true values of the same points in several objectives may be.

    They are normal around the means, with the covariance that the seeds show, and all are as far
    out as the variances are uncertain. What was measured under the same seeds moves together as
    far as its residuals are equal: in direction, and in length before these were moderated. Else
    two points whose residuals differ in length alone would differ by no chance at all. With
    lengths a and b the correlation is that of equal variances, 2 r.s / (a^2 + b^2). Of so few
    seeds many correlations are large by chance, so they are shrunk towards their mean.

    Returns:
        [draws, P, objectives].
    """
    means, errors, degrees, growth = (
        np.concatenate([getattr(found, name) for found in objectives])
        for name in ("means", "errors", "degrees", "growth")
    )
    varied = errors.any(axis=1)
    # r.s / (a b) / cosh(log a - log b), a kernel times a kernel, so again a covariance.
    unlike = np.cosh(growth[varied, None] - growth[varied])
    lengths = np.sqrt((errors[varied] ** 2).sum(axis=1))
    directions = errors[varied] / lengths[:, None]
    likeness = shrunk(directions @ directions.T, objectives[0].num_seeds - 1)
    covariance = likeness * np.outer(lengths, lengths) / unlike
    eigenvalues, vectors = np.linalg.eigh(covariance)
    factor = vectors * np.sqrt(np.maximum(eigenvalues, 0))
    shifts = generator.standard_normal((draws, len(factor))) @ factor.T
    different, positions = np.unique(degrees[varied], return_inverse=True)
    levels = generator.random((draws, 1))
    tails = np.sqrt(different / (2 * special.gammaincinv(different / 2, levels)))
    values = np.tile(means, (draws, 1))
    values[:, varied] += shifts * tails[:, positions]
    return values.reshape(draws, len(objectives), -1).swapaxes(1, 2)


def _check(values: Measured) -> None:
    found = list(values.values()) if isinstance(values, Mapping) else [values]
    if isinstance(values, Mapping) and len(found) < 2:
        raise ValueError(f"{len(found)} values; allowed: at least 2 for an interval")
    if bad := [value for value in found if not math.isfinite(value)]:
        raise ValueError(f"a measured value is {bad[0]}; allowed: a finite number")


def _mean(values: Measured) -> float:
    return statistics.fmean(values.values()) if isinstance(values, Mapping) else values


def _residuals(values: Measured, seeds: Sequence[int]) -> list[float]:
    """Return the deviations from the mean, 0 for seeds that the point lacks."""
    if not isinstance(values, Mapping):
        return [0.0] * len(seeds)
    if len(set(values.values())) == 1:  # of which the mean is rounded
        return [0.0] * len(seeds)
    mean = statistics.fmean(values.values())
    return [values[seed] - mean if seed in values else 0.0 for seed in seeds]


def _scales(measured: Sequence[Measured], means: np.ndarray) -> np.ndarray:
    """Return what each point's deviation is in proportion to, [P].

    That is the root of the mean, as long as all values are positive; what may be 0 or negative (a
    kernel distance, a share that is to be maximised) is compared as it is.
    """
    found = [v.values() if isinstance(v, Mapping) else (v,) for v in measured]
    positive = all(value > 0 for values in found for value in values)
    return np.sqrt(means) if positive else np.ones_like(means)
