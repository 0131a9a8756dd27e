"""Time our Fréchet distance against scipy's matrix root, and a whole scoring with the digits.

    python -m benchmarks.frechet_speed [--threads 2] [--repeats 3]

Given 10,000 x 2,048 correlated features and a reference whose root is known, takes ours
(statistics and distance) and the usual route (numpy's covariance, scipy.linalg.sqrtm of the
product) in turns, then the FID of 10,000 digit images with the shipped classifier (features,
statistics, distance). Prints the medians of the seconds, their ratio and both distances.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import scipy.linalg
import torch
from threadpoolctl import threadpool_limits

from benchmarks.in_turns import add_json, keep
from diffusion.score.extractor import DigitExtractor
from diffusion.score.frechet import FrechetReference, GaussianStatistics

IMAGES, DIMENSION = 10_000, 2048


def correlated_features(generator: np.random.Generator, mixing: np.ndarray) -> np.ndarray:
    """Return [10000, 2048] float64 features that are mixtures of independent ones."""
    return generator.normal(size=(IMAGES, DIMENSION)) @ mixing


def our_distance(features: np.ndarray, reference: FrechetReference) -> float:
    return reference.distance(GaussianStatistics.from_features(features))


def root_of_product_distance(features: np.ndarray, reference: GaussianStatistics) -> float:
    """Return the distance by the root of the product of both covariances."""
    covariance = np.cov(features, rowvar=False)
    root = scipy.linalg.sqrtm(covariance @ reference.covariance)
    shift = features.mean(axis=0) - reference.mean
    traces = np.trace(covariance) + np.trace(reference.covariance)
    return float(shift @ shift + traces - 2 * np.trace(root).real)


def timed(function: Callable[[], float]) -> tuple[float, float]:
    """Return the seconds a call takes and what it returns."""
    start = time.perf_counter()
    value = function()
    return time.perf_counter() - start, value


def compare_routes(repeats: int) -> float:
    """Print both routes on the same features, taken in turns; return the ratio of the seconds."""
    generator = np.random.default_rng(0)
    mixing = generator.normal(size=(DIMENSION, DIMENSION)) / np.sqrt(DIMENSION)
    features = correlated_features(generator, mixing)
    others = GaussianStatistics.from_features(1.1 * correlated_features(generator, mixing))
    reference = FrechetReference(others)
    ours, theirs = [], []
    for _ in range(repeats):
        ours.append(timed(lambda: our_distance(features, reference)))
        theirs.append(timed(lambda: root_of_product_distance(features, others)))
    medians = [statistics.median(seconds for seconds, _value in runs) for runs in (ours, theirs)]
    print(f"ours   {medians[0]:6.2f} s  distance {ours[0][1]:.9f}")
    print(f"sqrtm  {medians[1]:6.2f} s  distance {theirs[0][1]:.9f}")
    print(f"sqrtm / ours: {medians[1] / medians[0]:.1f} times")
    return medians[1] / medians[0]


def time_digits(repeats: int) -> None:
    """Print the time of everything but the generation of 10,000 digit images."""
    extractor = DigitExtractor(knows_labels=False)
    generator = torch.Generator().manual_seed(0)
    images, others = torch.randint(
        0, 256, (2, IMAGES, 1, 28, 28), dtype=torch.uint8, generator=generator
    )
    reference = FrechetReference(GaussianStatistics.from_features(extractor.features(others)))
    runs = [
        timed(lambda: our_distance(extractor.features(images), reference)) for _ in range(repeats)
    ]
    seconds = statistics.median(seconds for seconds, _value in runs)
    print(f"{IMAGES:,} images with the shipped classifier: {seconds:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    add_json(parser)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"{given.threads} threads, median of {given.repeats}")
    with threadpool_limits(given.threads):
        times = compare_routes(given.repeats)
        time_digits(given.repeats)
    keep({"scipy.linalg.sqrtm, times as long as our distance": times}, given.json)


if __name__ == "__main__":
    main()
