"""What a compression would score, from its drift and from what the study's trials have shown.

The logarithm of a cost like FID is a sum: of what its backbone reaches, which other backbones of
the same knobs and size hint at; of what the knobs of drawing add; and of a part that grows with
drift, one for models that are cooled down afterwards and one for those that are not. All terms
have normal priors, so that little is claimed before much is known (Bayesian linear regression,
Bishop 2006, section 3.3); those of drift are kept from falling.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular

from study.engine.knob_sets import Knobs

# Where the terms of drift bend: below the first, a compression is as good as none; at 1 hardly an
# image is left.
BENDS = (0.003, 0.05, 1.0)
# Prior means and standard deviations of the terms, in units of ln FID. (Guidance from 1.5 to 3
# moved that of one strongly compressed model by 0.8.)
DRIFT_MEANS, DRIFT_DEVIATION = (0.2, 0.6, 0.6), 0.5
COOLED_SHARE = 0.3  # Of these means, where a cool-down mends what drifted.
LEVEL_DEVIATION, OWN_DEVIATION, SIZE_DEVIATION = 0.2, 0.3, 0.3
COOLED_DEVIATION, SAMPLING_DEVIATION, INTERCEPT_DEVIATION = 0.2, 0.2, 5.0
LEAST_SPREAD = 1e-6  # Of values that differ, beside their size.
# Of what remains unexplained; it counts as so many trials, before there are any.
NOISE_DEVIATION, NOISE_TRIALS = 0.15, 4
# The correlation of that between two ways of drawing from one model.
SAME_MODEL = 0.9
SAMPLING_BEND = 1  # Of BENDS: by what is beyond it ways of drawing differ from model to model.


@dataclass(frozen=True)
class Point:
    """A model as a prediction sees it.

    Attributes:
        model: its knobs without those of drawing.
        backbone: its training's knobs.
        sampling: its knobs of drawing.
        drift: before any cool-down.
        is_cooled: whether a cool-down follows.
        parameters: of its network.
    """

    model: Knobs
    backbone: Knobs
    sampling: Knobs
    drift: float
    is_cooled: bool
    parameters: int


class Prediction:
    """Costs of models, predicted from those that were measured."""

    def __init__(
        self, points: Sequence[Point], costs: Sequence[float], *, logarithmic: bool = True
    ) -> None:
        """Fit.

        Args:
            points: measured models.
            costs: of one objective, finite.
            logarithmic: whether their logarithm is predicted, and not what is in units of their
                standard deviation; all costs are above 0 then.
        """
        values = np.asarray(costs, dtype=np.float64)
        self._is_logarithmic = logarithmic
        spread, size = float(values.std()), float(np.abs(values).max())
        self._unit = spread if spread > LEAST_SPREAD * size else size or 1.0
        self._terms = _Terms(points)
        terms, scaled = self._terms.of(points), self.scaled(values)
        self._fit(terms, scaled)
        self._rests: dict[Knobs, list[float]] = {}
        for point, rest in zip(points, scaled - terms @ self._weights, strict=True):
            self._rests.setdefault(point.model, []).append(rest)

    def scaled(self, costs: np.ndarray) -> np.ndarray:
        """Return costs on the scale of predictions."""
        if self._is_logarithmic:
            return np.asarray(np.log(np.maximum(costs, 1e-300)))
        return np.asarray(costs / self._unit)

    def predict(self, points: Sequence[Point]) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean and the standard deviation of each point's scaled cost."""
        terms = self._terms.of(points)
        variances = ((terms @ self._covariance) * terms).sum(axis=1)
        known = [rest_kept(self._rests.get(point.model, [])) for point in points]
        rests, unknown = np.array(known).reshape(-1, 2).T
        return terms @ self._weights + rests, np.sqrt(unknown * self._noise + variances)

    def _fit(self, terms: np.ndarray, values: np.ndarray) -> None:
        means, deviations = self._terms.means.copy(), self._terms.deviations
        means[0] = values.mean()
        products, moments = terms.T @ terms, terms.T @ values
        prior_precision = deviations**-2.0
        self._noise, self._weights = NOISE_DEVIATION**2, means
        for _ in range(2):  # the noise that weighs trials against priors comes from a first fit
            precision = products / self._noise + np.diag(prior_precision)
            pull = moments / self._noise + prior_precision * means
            self._weights = likeliest(precision, pull, self._terms.is_rising)
            squares = float(np.square(values - terms @ self._weights).sum())
            prior = NOISE_TRIALS * NOISE_DEVIATION**2
            self._noise = (squares + prior) / (len(values) + NOISE_TRIALS)
        self._covariance = np.linalg.inv(products / self._noise + np.diag(prior_precision))


class _Terms:
    """The columns of the regression: what of a point adds to its cost.

    Attributes:
        means, deviations: of the priors.
        is_rising: which columns' weights must not be negative.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        self._size = float(np.mean([np.log(point.parameters) for point in points]))
        self._backbones = list(dict.fromkeys(point.backbone for point in points))
        self._levels = list(dict.fromkeys(item for p in points for item in p.backbone))
        self._samplings = list(dict.fromkeys(item for p in points for item in p.sampling))
        drift = np.array(DRIFT_MEANS)
        parts = [
            (np.zeros(1), INTERCEPT_DEVIATION),
            (np.zeros(1), SIZE_DEVIATION),
            (np.zeros(1), COOLED_DEVIATION),
            (drift, DRIFT_DEVIATION),
            (COOLED_SHARE * drift, DRIFT_DEVIATION),
            (np.zeros(len(self._backbones)), OWN_DEVIATION),
            (np.zeros(len(self._levels)), LEVEL_DEVIATION),
            (np.zeros(len(self._samplings)), SAMPLING_DEVIATION),
            (np.zeros(len(self._samplings)), SAMPLING_DEVIATION),
        ]
        self.means = np.concatenate([means for means, _ in parts])
        self.deviations = np.concatenate([np.full(len(m), deviation) for m, deviation in parts])
        self.is_rising = np.zeros(len(self.means), dtype=bool)
        self.is_rising[3 : 3 + 2 * len(drift)] = True
        self.is_rising[len(self.means) - len(self._samplings) :] = True

    def _likely(self, samplings: Sequence[Knobs]) -> np.ndarray:
        """Return for each value of a knob that was not seen an equal share of those that were."""
        shares = np.zeros((len(samplings), len(self._samplings)))
        for number, sampling in enumerate(samplings):
            for name, _ in (item for item in sampling if item not in self._samplings):
                places = [n for n, (other, _) in enumerate(self._samplings) if other == name]
                shares[number, places] = 1 / max(len(places), 1)
        return shares

    def of(self, points: Sequence[Point]) -> np.ndarray:
        """Return the terms of points, [points, columns]."""
        known = np.array([(p.drift, p.is_cooled, p.parameters) for p in points], dtype=np.float64)
        drift = np.log1p(known[:, :1] / np.array(BENDS))
        cooled, size = known[:, 1:2], np.log(known[:, 2:]) - self._size
        samplings = [p.sampling for p in points]
        ways = _ones(self._samplings, samplings)
        # An unseen way is taken for the mean of those of its knob: none drifts for nothing.
        likely = ways + self._likely(samplings)
        return np.hstack(
            [
                np.ones_like(size),
                size,
                cooled,
                drift * (1 - cooled),
                drift * cooled,
                _ones(self._backbones, [(p.backbone,) for p in points]),
                _ones(self._levels, [p.backbone for p in points]),
                ways,
                likely * drift[:, [SAMPLING_BEND]],
            ]
        )


def likeliest(precision: np.ndarray, pull: np.ndarray, is_rising: np.ndarray) -> np.ndarray:
    """Return the weights where a normal density is highest, some of them not below 0.

    The free ones follow from the others, so that only these are searched: those that minimise
    half of w'Pw - p'w with the Schur complement P of the free ones, as least squares of its root.

    Args:
        precision: of the density, [columns, columns].
        pull: the precision times the density's mean, [columns].
        is_rising: which weights must not be negative.
    """
    from scipy.optimize import nnls  # slow to import: only once something is predicted

    free = ~is_rising
    solved = cho_factor(precision[np.ix_(free, free)])
    cross = precision[np.ix_(free, is_rising)]
    reduced = precision[np.ix_(is_rising, is_rising)] - cross.T @ cho_solve(solved, cross)
    reduced_pull = pull[is_rising] - cross.T @ cho_solve(solved, pull[free])
    root = cholesky(reduced)
    weights = np.empty(len(pull))
    weights[is_rising], _ = nnls(root, solve_triangular(root, reduced_pull, trans="T"))
    weights[free] = cho_solve(solved, pull[free] - cross @ weights[is_rising])
    return weights


def rest_kept(rests: Sequence[float]) -> tuple[float, float]:
    """Return what is to be expected of a model's rest in another way of drawing.

    Args:
        rests: of its measured ways, all of which are correlated alike.

    Returns:
        Its mean, and the share of its variance that stays (Bishop 2006, equations 2.81, 2.82).
    """
    count = len(rests)
    weight = SAME_MODEL / (1 + (count - 1) * SAME_MODEL) if count else 0.0
    return weight * sum(rests), 1 - weight * SAME_MODEL * count


def _ones(columns: Sequence[object], rows: Sequence[Sequence[object]]) -> np.ndarray:
    """Return 1 where a row holds a column, else 0."""
    place_of = {column: place for place, column in enumerate(columns)}
    held = [(n, place_of[item]) for n, row in enumerate(rows) for item in row if item in place_of]
    found = np.zeros((len(rows), len(columns)))
    numbers, places = np.array(held, dtype=int).reshape(-1, 2).T
    found[numbers, places] = 1
    return found
