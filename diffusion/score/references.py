"""What generated images are compared with: both splits of a data set, cached on disk by hash.

A cached file holds the SHA-256 of its arrays: a changed mean or root would move every FID.
"""

import hashlib
import json
import logging
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffusion.cache import cache_dir
from diffusion.data import ImageDataset
from diffusion.score.extractor import FeatureExtractor
from diffusion.score.frechet import FrechetReference, GaussianStatistics

logger = logging.getLogger(__name__)

FORMAT_VERSION = 2
ARRAYS = ("count", "mean", "covariance", "root", "features")  # of a cached file
CHECKSUM = "content_sha256"  # of these arrays, beside them
MOST_FEATURES = 10_000  # Kept of a split, for the measures that two moments do not serve.
CHUNK_IMAGES = 5_000  # Features at once while the moments are gathered.
ORDER_SEED = 0


@dataclass(frozen=True, eq=False)
class Reference:
    """One split of a data set, as an extractor sees it.

    Attributes:
        frechet: the statistics of the features of all its images.
        features: the features of M random ones of its images, at most 10,000, in random order,
            [M, d] float64.
        sha256: the SHA-256 of what these were computed from and how.
    """

    frechet: FrechetReference
    features: np.ndarray
    sha256: str

    @classmethod
    def of(cls, images: Tensor, extractor: FeatureExtractor) -> "Reference":
        """Extract the features of [N, C, H, W] uint8 images, or find them in the cache."""
        sha256 = _reference_sha256(images, extractor)
        path = cache_dir() / "references" / f"{sha256}.npz"
        if (found := _read(path, sha256)) is not None:
            return found
        chunks = images.split(CHUNK_IMAGES)
        statistics = GaussianStatistics.from_batches(map(extractor.features, chunks))
        sample = extractor.features(images[_random_order(len(images))[:MOST_FEATURES]])
        reference = cls(FrechetReference(statistics), sample, sha256)
        _write(reference, path)
        return reference


@dataclass(frozen=True, eq=False)
class References:
    """Both splits of a data set and the extractor that sees them."""

    dataset: ImageDataset
    extractor: FeatureExtractor
    train: Reference
    held_out: Reference

    @classmethod
    def of(cls, dataset: ImageDataset, extractor: FeatureExtractor) -> "References":
        """Extract the features of both splits of a data set, or find them in the cache."""
        train, held_out = (
            Reference.of(images, extractor)
            for images in (dataset.train_images, dataset.held_out_images)
        )
        return cls(dataset, extractor, train, held_out)


def _random_order(count: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(ORDER_SEED))


def _reference_sha256(images: Tensor, extractor: FeatureExtractor) -> str:
    """Hash all that a reference depends on; the images themselves stand for their data set."""
    made_of = {
        "format": FORMAT_VERSION,
        "extractor_sha256": extractor.sha256,
        "layer": extractor.layer,
        "preprocessing": extractor.preprocessing,
        "images_sha256": hashlib.sha256(images.numpy().tobytes()).hexdigest(),
        "shape": list(images.shape),
        "most_features": MOST_FEATURES,
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def _read(path: Path, sha256: str) -> Reference | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ARRAYS}
            found, kept = _content_sha256(arrays), str(file[CHECKSUM])
        if found != kept:
            raise ValueError(f"its arrays have SHA-256 {found}; allowed: {kept}, as written")
        statistics = GaussianStatistics(int(arrays["count"]), arrays["mean"], arrays["covariance"])
        frechet = FrechetReference(statistics, root=arrays["root"])
        return Reference(frechet, arrays["features"].astype(np.float64), sha256)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile) as error:
        logger.warning("reference %s cannot be read (%s): it is computed anew", path, error)
        return None


def _content_sha256(arrays: dict[str, np.ndarray]) -> str:
    """Hash the names, types, shapes and values of a cached file's arrays."""
    content = hashlib.sha256()
    for name in ARRAYS:
        array = arrays[name]
        content.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()


def _arrays(reference: Reference) -> dict[str, np.ndarray]:
    """Return a reference as the arrays of a cached file, features in float32 if exact."""
    statistics, features = reference.frechet.statistics, reference.features
    narrow = features.astype(np.float32)
    return {
        "count": np.array(statistics.count),
        "mean": statistics.mean,
        "covariance": statistics.covariance,
        "root": reference.frechet.root,
        "features": narrow if (narrow == features).all() else features,
    }


def _write(reference: Reference, path: Path) -> None:
    """Write a reference aside and rename it; without a place for it the next run is slower."""
    arrays = _arrays(reference)
    content = {**arrays, CHECKSUM: np.array(_content_sha256(arrays))}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, allow_pickle=False, **content)
            Path(aside).replace(path)
        finally:
            Path(aside).unlink(missing_ok=True)
    except OSError as error:
        logger.warning("reference statistics are not kept in %s: %s", path.parent, error)
