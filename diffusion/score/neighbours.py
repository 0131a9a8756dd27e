"""Scores by nearest neighbours: precision and recall of features, and copies of training images.

Precision and recall are those of Kynkäänniemi et al. 2019 (arXiv:1904.06991, section 2), which
tell apart what one distance mixes: images that look wrong, and images that are missing.
"""

import numpy as np
import torch
from torch import Tensor

from diffusion.errors import MetricUndefined
from diffusion.score.frechet import as_feature_pair

CHUNK_VALUES = 2**21  # Distances held at a time, 16 MB; a few arrays of them exist at once.
# Of a point's squared norm: what rounding adds to a squared distance, and some more, so that a
# copy of a point lies in its ball even when the ball has no size.
ROUNDING = 1e-12
CHUNK_IMAGES = 1000
# float32 adds the products of this many centred bytes, 2**14 each, without rounding.
EXACT_PIXELS = 1024
GREY, LARGEST = 128, 255


def precision_recall(
    features: np.ndarray, reference: np.ndarray, *, neighbours: int = 3
) -> tuple[float, float]:
    """Measure how much of each set lies in the manifold of the other (equations 1 and 2).

    A set's manifold is the union of balls around its points, each reaching to the point's k-th
    nearest neighbour in the set.

    Args:
        features: the features of the scored images, [N, d].
        reference: the features of the images they are compared with, [M, d].
        neighbours: the k of the balls, at least 1.

    Returns:
        Precision, the share of the features in the reference's manifold, and recall, the share
        of the reference in the features' manifold.

    Raises:
        MetricUndefined: a side has no more than `neighbours` images, or values not finite.
        ValueError: the shapes do not fit, or `neighbours` is below 1.
    """
    if neighbours < 1:
        raise ValueError(f"neighbours is {neighbours}; allowed: at least 1")
    x, y = as_feature_pair(features, reference)
    if min(len(x), len(y)) <= neighbours:
        raise MetricUndefined(
            f"{neighbours} nearest neighbours among {len(x)} scored and {len(y)} reference "
            f"images; allowed: at least {neighbours + 1} of each"
        )
    x_radii, y_radii = _squared_radii(x, neighbours), _squared_radii(y, neighbours)
    precise, recalled = np.zeros(len(x), dtype=bool), np.zeros(len(y), dtype=bool)
    for rows in _chunks(x, y):
        squared = _squared_distances(x[rows], y)
        precise[rows] = (squared <= y_radii).any(axis=1)
        recalled |= (squared <= x_radii[rows, None]).any(axis=0)
    return float(precise.mean()), float(recalled.mean())


def nearest_distances(images: Tensor, train_images: Tensor) -> np.ndarray:
    """Measure how far each image is from the training image nearest to it.

    Args:
        images: [N, C, H, W] uint8.
        train_images: [M, C, H, W] uint8, at least one.

    Returns:
        [N] float64, root-mean-square differences of the pixels in [0, 1]; exactly 0 for a copy.

    Raises:
        ValueError: the shapes differ, the images are no bytes or there is none to be near to.
    """
    are_bytes = images.dtype == train_images.dtype == torch.uint8
    if not are_bytes or images.shape[1:] != train_images.shape[1:] or not len(train_images):
        raise ValueError(
            f"images are {list(images.shape)} {images.dtype} and train_images "
            f"{list(train_images.shape)} {train_images.dtype}; allowed: [N, C, H, W] and "
            "[M, C, H, W], M at least 1, torch.uint8"
        )
    parts = [_nearest(part, train_images) for part in images.split(CHUNK_IMAGES)]
    return torch.cat(parts).numpy()


def _squared_radii(x: np.ndarray, neighbours: int) -> np.ndarray:
    """Return [N] squared distances to the k-th nearest other row, and room for rounding."""
    radii = np.empty(len(x))
    for rows in _chunks(x, x):
        # Each row is the nearest to itself, at 0.
        radii[rows] = np.partition(_squared_distances(x[rows], x), neighbours)[:, neighbours]
    return radii.clip(min=0) + ROUNDING * _squared_norms(x)


def _squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return [N, M] squared distances; those that are 0 may come out as much as rounding off."""
    distances = x @ y.T
    distances *= -2
    distances += _squared_norms(x)[:, None]
    distances += _squared_norms(y)
    return distances


def _squared_norms(x: np.ndarray) -> np.ndarray:
    norms: np.ndarray = np.einsum("ij,ij->i", x, x)
    return norms


def _chunks(x: np.ndarray, y: np.ndarray) -> list[slice]:
    """Divide the rows of x so that the distances of a part to all of y fit in a chunk."""
    size = max(CHUNK_VALUES // len(y), 1)
    return [slice(start, start + size) for start in range(0, len(x), size)]


def _nearest(images: Tensor, train_images: Tensor) -> Tensor:
    """Return [N] distances to the nearest training images, found by exact products."""
    x = _centred(images)
    nearest = torch.full((len(x),), torch.inf, dtype=x.dtype)
    indices = torch.zeros(len(x), dtype=torch.int64)
    for start in range(0, len(train_images), CHUNK_IMAGES):
        y = _centred(train_images[start : start + CHUNK_IMAGES])
        # Half the squared distance without the image's own norm, which does not matter here.
        values, found = torch.addmm(y.square().sum(1) / 2, x, y.T, alpha=-1).min(dim=1)
        nearer = values < nearest
        nearest = torch.where(nearer, values, nearest)
        indices = torch.where(nearer, found + start, indices)
    differences = (images.double() - train_images[indices].double()) / LARGEST
    return differences.flatten(1).square().mean(dim=1).sqrt()


def _centred(images: Tensor) -> Tensor:
    """Return [N, pixels] bytes around 0, in the smallest type that multiplies them exactly."""
    pixels = images.flatten(1)
    exact = torch.float32 if pixels.shape[1] <= EXACT_PIXELS else torch.float64
    return pixels.to(exact) - GREY
