"""Scores of generated images: each measure with its floor, and what they hold for."""

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusion.data import ImageDataset
from diffusion.errors import MetricUndefined
from diffusion.score.by_label import score_by_label
from diffusion.score.frechet import GaussianStatistics
from diffusion.score.interval import IMAGES_PER_FEATURE, fid_infinity, fid_interval
from diffusion.score.kernel import kernel_distance
from diffusion.score.neighbours import nearest_distances, precision_recall
from diffusion.score.references import References

Measures = dict[str, float | None]

NOISE_SEED = 0
RESAMPLING_SEED = 0
FEWEST_IMAGES = 4  # Below it neither neighbours nor halves of the images can be had.
NEAREST_IMAGES = 500  # As many are looked for in the training images.
MANY_FEATURES = 512  # Above it a distance takes seconds, so that fewer are computed.
POINTS, FEW_POINTS = 15, 5


def score_images(images: Tensor, labels: Tensor | None, references: References) -> dict[str, Any]:
    """Score generated images by every measure, with floors and conditions.

    Args:
        images: [N, C, H, W] uint8.
        labels: [N] int64, the labels they were asked for; None from a network without labels.
        references: both splits of the data set that the images imitate.

    Returns:
        The measures of `measure`, each with its floor (`fid_floor`) of `num_images_floor` real
        images (`fid_held_out_floor` of `num_images_held_out_floor`); `fid_low` and `fid_high`,
        `fid_noise` (of as many images of uniform noise, which gives the others a scale),
        `fid_num_images`, and the extractor and references that they hold for.

    Raises:
        ValueError: the images are of another shape or type than the data's.
        MetricUndefined: there are too few.
    """
    _check_images(images, references.dataset)
    extractor, train = references.extractor, references.train
    features = extractor.features(images)
    asked = None if labels is None else labels.numpy()
    low, high = fid_interval(features, train.frechet, asked)
    return {
        **measure(images, features, labels, references),
        "fid_low": low,
        "fid_high": high,
        "fid_noise": _noise_fid(references, len(images)),
        "fid_num_images": len(images),
        **{f"{name}_floor": value for name, value in floors(references, len(images)).items()},
        "extractor": extractor.name,
        "extractor_sha256": extractor.sha256,
        "reference_sha256": train.sha256,
        "reference_held_out_sha256": references.held_out.sha256,
    }


def measure(
    images: Tensor, features: np.ndarray, labels: Tensor | None, references: References
) -> Measures:
    """Compare images with the references; None where a measure cannot be had.

    Returns:
        `fid` against the train split, `fid_held_out`; `fid_infinity`, extrapolated to endlessly
        many images; `kid` with its `kid_deviation` over subsets; `precision` and `recall`;
        `nearest_train_distance`, the median over (at most 500) images of the root-mean-square
        distance to the nearest training image, from 0 to 1; and those of `score_by_label`.
    """
    train = references.train
    statistics = GaussianStatistics.from_features(features)
    generator = np.random.default_rng(RESAMPLING_SEED)
    kid, kid_deviation = kernel_distance(features, train.features, generator)
    # Both depend on the counts of the two sides: as many of one as of the other.
    precision, recall = precision_recall(features, train.features[: len(features)])
    picks = _spread(len(images), NEAREST_IMAGES)
    nearest = nearest_distances(images[picks], references.dataset.train_images)
    return {
        "fid": train.frechet.distance(statistics),
        "fid_held_out": references.held_out.frechet.distance(statistics),
        "fid_infinity": _fid_infinity(features, references),
        "kid": kid,
        "kid_deviation": kid_deviation,
        "precision": precision,
        "recall": recall,
        "nearest_train_distance": float(np.median(nearest)),
        **score_by_label(images, labels, references.dataset, references.extractor),
    }


@functools.lru_cache(maxsize=4)
def floors(references: References, count: int) -> Measures:
    """Return what real images reach in each measure: held-out ones in place of generated ones.

    Args:
        references: both splits of the data set.
        count: how many real images to take, or all held-out ones where there are fewer.
            `fid_held_out` alone is that of as many training images, or all of them.

    Returns:
        The measures of `measure`; `num_images`, how many images they are of, and
        `num_images_held_out`, of how many `fid_held_out` is.
    """
    dataset = references.dataset
    picks = _spread(len(dataset.held_out_images), count)
    images, labels = dataset.held_out_images[picks], dataset.held_out_labels[picks]
    features = references.extractor.features(images)
    trained = dataset.train_images[_spread(len(dataset.train_images), count)]
    statistics = GaussianStatistics.from_features(references.extractor.features(trained))
    return {
        **measure(images, features, labels, references),
        "fid_held_out": references.held_out.frechet.distance(statistics),
        "num_images": len(images),
        "num_images_held_out": len(trained),
    }


@functools.lru_cache(maxsize=4)
def _noise_fid(references: References, count: int) -> float:
    generator = torch.Generator().manual_seed(NOISE_SEED)
    shape = (count, *references.dataset.train_images.shape[1:])
    noise = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    statistics = GaussianStatistics.from_features(references.extractor.features(noise))
    return references.train.frechet.distance(statistics)


def _fid_infinity(features: np.ndarray, references: References) -> float | None:
    count, dimension = features.shape
    if count <= IMAGES_PER_FEATURE * dimension:
        return None
    points = FEW_POINTS if dimension > MANY_FEATURES else POINTS
    generator = np.random.default_rng(RESAMPLING_SEED)
    return fid_infinity(features, references.train.frechet, generator, points=points)


def _spread(total: int, count: int) -> Tensor:
    """Return `count` positions spread evenly over `total`, or all of them."""
    return torch.linspace(0, total - 1, min(count, total), dtype=torch.float64).round().long()


def _check_images(images: Tensor, dataset: ImageDataset) -> None:
    shape = tuple(dataset.train_images.shape[1:])
    if images.dtype != torch.uint8 or images.ndim != 4 or tuple(images.shape[1:]) != shape:
        raise ValueError(
            f"images are {list(images.shape)} {images.dtype}; allowed: "
            f"[N, {', '.join(map(str, shape))}] torch.uint8, as those of {dataset.name!r}"
        )
    if len(images) < FEWEST_IMAGES:
        raise MetricUndefined(f"{len(images)} images to score; allowed: {FEWEST_IMAGES} or more")
