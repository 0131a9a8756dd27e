"""Scores of generated images: distances, intervals, labels, and the references they need."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusion.data import ImageDataset
from diffusion.score.extractor import FeatureExtractor
from diffusion.score.frechet import FrechetReference, GaussianStatistics, fid_interval
from diffusion.score.similarity import WINDOW_SIZE, ssim

NOISE_SEED = 0
PARTNER_SEED = 0


@dataclass(frozen=True)
class References:
    """What generated images are compared with.

    Attributes:
        train, held_out: the statistics of both splits' features.
    """

    dataset: ImageDataset
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
        return cls(dataset, extractor, train, held_out)


def score_labels(dataset: ImageDataset, count: int) -> Tensor:
    """Return [count] labels, sorted, in the proportions of the training split."""
    ordered = dataset.train_labels.sort().values
    # The middles of `count` equal parts of the sorted labels.
    middles = (torch.arange(count, dtype=torch.float64) + 0.5) * len(ordered) / count
    return ordered[middles.long()]


def score_images(images: Tensor, labels: Tensor | None, references: References) -> dict[str, Any]:
    """Score generated images.

    Args:
        images: [N, C, H, W] uint8.
        labels: [N] int64, the labels they were asked for; None from a network without labels.
        references: of the data set they imitate.

    Returns:
        `fid` against the train split with its 95 % interval, `fid_held_out`, `fid_noise` (of as
        many images of uniform noise, which gives the others a scale), `fid_num_images`, the
        scores of `score_by_label` and the extractor they hold for.
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
        **score_by_label(images, labels, references),
        "extractor": extractor.name,
        "extractor_sha256": extractor.sha256,
    }


def score_by_label(
    images: Tensor, labels: Tensor | None, references: References
) -> dict[str, float | None]:
    """Score generated images by their classes, None where there is no way to know them.

    Returns:
        `label_agreement`, the share that the extractor's classifier takes for the label asked
        for; `label_balance`, 1 minus the total variation distance between the classes it finds
        and those of the training split; `ssim`, the mean structural similarity of each image and
        a random training image of its label, asked for or else found.
    """
    dataset, guesses = references.dataset, references.extractor.guess_labels(images)
    agreement = balance = None
    if guesses is not None:
        if labels is not None:
            agreement = float((guesses == labels).double().mean())
        balance = _balance(guesses, dataset)
    known = guesses if labels is None else labels
    similarity = None
    if known is not None and min(images.shape[2:]) >= WINDOW_SIZE:
        similarity = float(ssim(images, _partners(known, dataset)).mean())
    return {"label_agreement": agreement, "label_balance": balance, "ssim": similarity}


def _balance(guesses: Tensor, dataset: ImageDataset) -> float:
    shares = [
        torch.bincount(labels, minlength=len(dataset.class_names)).double() / len(labels)
        for labels in (guesses, dataset.train_labels)
    ]
    return 1 - float((shares[0] - shares[1]).abs().sum()) / 2


def _partners(labels: Tensor, dataset: ImageDataset) -> Tensor:
    """Return a random training image of each label."""
    generator = torch.Generator().manual_seed(PARTNER_SEED)
    partners = torch.empty((len(labels), *dataset.train_images.shape[1:]), dtype=torch.uint8)
    for label in labels.unique():
        wanted = (labels == label).nonzero().flatten()
        members = (dataset.train_labels == label).nonzero().flatten()
        picks = torch.randint(len(members), (len(wanted),), generator=generator)
        partners[wanted] = dataset.train_images[members[picks]]
    return partners


def _uniform_noise(shape: torch.Size) -> Tensor:
    generator = torch.Generator().manual_seed(NOISE_SEED)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
