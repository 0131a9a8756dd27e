"""The quality of generated images: FID against both splits, its interval and its scale."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusion.data import ImageDataset
from diffusion.score.extractor import FeatureExtractor
from diffusion.score.frechet import FrechetReference, GaussianStatistics, fid_interval

NOISE_SEED = 0


@dataclass(frozen=True)
class References:
    """What generated images are compared with: the statistics of both splits' features."""

    extractor: FeatureExtractor
    train: FrechetReference
    held_out: FrechetReference

    @classmethod
    def of(cls, dataset: ImageDataset, extractor: FeatureExtractor) -> "References":
        """Extract the features of a data set once."""
        train, held_out = (
            FrechetReference(GaussianStatistics.from_features(extractor.features(images)))
            for images in (dataset.train_images, dataset.held_out_images)
        )
        return cls(extractor, train, held_out)


def score_labels(dataset: ImageDataset, count: int) -> Tensor:
    """Return [count] labels, sorted, in the proportions of the training split."""
    ordered = dataset.train_labels.sort().values
    # The middles of `count` equal parts of the sorted labels.
    middles = (torch.arange(count, dtype=torch.float64) + 0.5) * len(ordered) / count
    return ordered[middles.long()]


def score_images(images: Tensor, labels: Tensor, references: References) -> dict[str, Any]:
    """Score generated images.

    Args:
        images: [N, C, H, W] uint8.
        labels: [N] int64, the labels they were asked for.
        references: of the data set they imitate.

    Returns:
        `fid` against the train split with its 95 % interval, `fid_held_out`, `fid_noise` (of as
        many images of uniform noise, which gives the others a scale), `fid_num_images`,
        `label_agreement` and the extractor they hold for.
    """
    extractor = references.extractor
    features = extractor.features(images)
    statistics = GaussianStatistics.from_features(features)
    low, high = fid_interval(features, references.train, np.random.default_rng(NOISE_SEED))
    noise = GaussianStatistics.from_features(extractor.features(_uniform_noise(images.shape)))
    return {
        "fid": references.train.distance(statistics),
        "fid_low": low,
        "fid_high": high,
        "fid_held_out": references.held_out.distance(statistics),
        "fid_noise": references.train.distance(noise),
        "fid_num_images": len(images),
        "label_agreement": extractor.label_agreement(images, labels),
        "extractor": extractor.name,
        "extractor_sha256": extractor.sha256,
    }


def _uniform_noise(shape: torch.Size) -> Tensor:
    generator = torch.Generator().manual_seed(NOISE_SEED)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
