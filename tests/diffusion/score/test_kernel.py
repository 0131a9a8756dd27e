"""The kernel distance: closed forms, no bias, and agreement with torch-fidelity."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_fidelity import metric_kid

from diffusion.errors import MetricUndefined
from diffusion.score.kernel import kernel_distance, squared_discrepancy

POLYNOMIAL = {
    "kid_kernel": "poly",
    "kid_kernel_poly_degree": 3,
    "kid_kernel_poly_gamma": None,
    "kid_kernel_poly_coef0": 1,
}


def normal(count, dimension=8, shift=0.0, seed=0):
    return np.random.default_rng(seed).normal(shift, size=(count, dimension))


def distance(features, reference, seed=0, **settings):
    return kernel_distance(features, reference, np.random.default_rng(seed), **settings)


class RecordedDraws:
    """A generator that notes what was drawn from how many."""

    def __init__(self):
        self.generator, self.draws = np.random.default_rng(0), []

    def choice(self, count, size, replace):
        indices = self.generator.choice(count, size, replace=replace)
        self.draws.append((count, size, len(set(indices.tolist()))))
        return indices


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0.0], [0.0], 0),
        ([0.0], [1.0], 1 + 8 - 2),
        ([1.0], [-1.0], 8 + 8 - 0),
        ([1.0, 1.0], [0.0, 2.0], 2**3 + 3**3 - 2 * 2**3),
        ([2.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 2.0], 2.5**3 + 2**3 - 2 * 1.5**3),
    ],
)
def test_two_points_differ_by_their_kernels(a, b, expected):
    mean, deviation = distance(np.tile(a, (9, 1)), np.tile(b, (12, 1)))
    assert mean == pytest.approx(expected, abs=1e-12)
    assert deviation == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (3, 2)])
@pytest.mark.parametrize(
    ("first", "second"), [((0, 1), (0, 1)), ((0, 1), (-1, 2)), ((3,), (1, 2))]
)
def test_average_over_all_possible_samples_is_the_true_discrepancy(shape, first, second):
    def kernel(x, y):
        return np.mean([(a * b + 1) ** 3 for a, b in itertools.product(x, y)])

    true = kernel(first, first) + kernel(second, second) - 2 * kernel(first, second)
    values = [
        squared_discrepancy(np.array(x, float)[:, None], np.array(y, float)[:, None])
        for x in itertools.product(first, repeat=shape[0])
        for y in itertools.product(second, repeat=shape[1])
    ]
    assert np.mean(values) == pytest.approx(true, abs=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
def test_mean_over_fresh_draws_is_that_of_the_gaussians(shift):
    # The kernel compares the first three moments: m, 1 + m^2 and 3 m + m^3 against 0, 1 and 0.
    true = 3 * shift**2 + 3 * shift**4 + (3 * shift + shift**3) ** 2
    values = np.array(
        [
            distance(normal(40, 1, shift, seed), normal(40, 1, 0, seed + 1000), subsets=5)[0]
            for seed in range(400)
        ]
    )
    assert abs(values.mean() - true) < 4 * values.std() / np.sqrt(len(values))
    if shift == 0:
        assert 0.2 < (values < 0).mean() < 0.9


@pytest.mark.parametrize(("count", "dimension"), [(2, 1), (50, 84), (300, 17)])
def test_discrepancy_agrees_with_torch_fidelity(count, dimension):
    x, y = normal(count, dimension, 0.5), normal(count, dimension, 0.0, seed=1)
    expected = metric_kid.kernel_mmd(x, y, **POLYNOMIAL)
    assert squared_discrepancy(x, y) == pytest.approx(expected, rel=1e-9)


def test_distance_agrees_with_torch_fidelity_within_the_spread_of_the_subsets():
    x, y = normal(2000, 20, 0.2), normal(3000, 20, seed=1)
    settings = {"kid_subsets": 40, "kid_subset_size": 400, "rng_seed": 3, "verbose": False}
    theirs = metric_kid.kid_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y), **POLYNOMIAL, **settings
    )
    mean, deviation = distance(x, y, subset_size=400, subsets=40)
    assert abs(mean - theirs["kernel_inception_distance_mean"]) < deviation
    assert deviation == pytest.approx(theirs["kernel_inception_distance_std"], rel=0.5)


def test_distance_grows_with_the_shift():
    reference = normal(400, seed=1)
    values = [distance(normal(400, shift=s), reference)[0] for s in (0, 0.2, 0.4, 0.8, 1.6)]
    assert values == sorted(values)
    assert values[1] > values[0] + 0.05
    assert values[-1] > 100 * values[1]


@given(seed=st.integers(0, 2**32 - 1), counts=st.tuples(*[st.integers(2, 12)] * 2))
@settings(max_examples=40, deadline=None)
def test_discrepancy_depends_on_neither_order_nor_side(seed, counts):
    x, y = normal(counts[0], 3, 1.0, seed), normal(counts[1], 3, 0.0, seed + 1)
    generator = np.random.default_rng(seed)
    expected = pytest.approx(squared_discrepancy(x, y), rel=1e-9, abs=1e-9)
    assert squared_discrepancy(y, x) == expected
    assert squared_discrepancy(generator.permutation(x), generator.permutation(y)) == expected
    columns = generator.permutation(3)
    assert squared_discrepancy(x[:, columns], y[:, columns]) == expected


def test_distance_repeats_with_its_seed_and_takes_any_precision():
    x, y = normal(60), normal(70, shift=1.0, seed=1)
    assert distance(x, y, seed=4) == distance(x, y, seed=4) != distance(x, y, seed=5)
    exact = x.astype(np.float32).astype(np.float64)
    assert distance(x.astype(np.float32), y) == distance(exact, y)


@pytest.mark.parametrize(
    ("counts", "subset_size", "size"),
    [
        ((100, 100), 50, 50),
        ((100, 300), 51, 50),
        ((300, 99), 1000, 49),
        ((4, 5), 1000, 2),
        ((300, 300), 20, 20),
    ],
)
def test_subsets_hold_at_most_half_of_the_smaller_set_none_twice(counts, subset_size, size):
    x, y = (normal(count, 2, seed=i) for i, count in enumerate(counts))
    recorded = RecordedDraws()
    kernel_distance(x, y, recorded, subset_size=subset_size, subsets=3)
    assert recorded.draws == [(counts[0], size, size), (counts[1], size, size)] * 3


@pytest.mark.parametrize("counts", [(3, 50), (50, 3), (0, 50), (1, 1)])
def test_too_few_images_are_refused(counts):
    with pytest.raises(MetricUndefined, match=f"of {min(counts)} images; allowed: at least 4"):
        distance(*(normal(count) for count in counts))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value):
    broken = normal(20)
    broken[4, 2] = value
    for pair in ((broken, normal(20)), (normal(20), broken)):
        with pytest.raises(MetricUndefined, match="1 feature values are NaN or infinite"):
            distance(*pair)


def test_settings_and_shapes_that_do_not_fit_are_refused():
    x = normal(20)
    with pytest.raises(ValueError, match="features have dimension 8; allowed: 3"):
        distance(x, normal(20, 3))
    with pytest.raises(ValueError, match=r"shape \(20,\)"):
        distance(x[:, 0], x)
    with pytest.raises(ValueError, match="subset_size is 1 and subsets 50; allowed: at least 2"):
        distance(x, x, subset_size=1)
    with pytest.raises(ValueError, match="subset_size is 1000 and subsets 1; allowed"):
        distance(x, x, subsets=1)
