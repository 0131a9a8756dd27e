"""Scores of generated images by their labels: those asked for, and those they are taken for."""

import torch
from torch import Tensor

from diffusion.data import ImageDataset
from diffusion.score.extractor import FeatureExtractor
from diffusion.score.similarity import WINDOW_SIZE, ssim

PARTNER_SEED = 0


def score_by_label(
    images: Tensor, labels: Tensor | None, dataset: ImageDataset, extractor: FeatureExtractor
) -> dict[str, float | None]:
    """Score generated images by their classes, None where there is no way to know them.

    Returns:
        `label_agreement`, the share that the extractor's classifier takes for the label asked
        for; `label_balance`, 1 minus the total variation distance between the classes it finds
        and those of the training split; `ssim`, the mean structural similarity of each image and
        a random training image of its label, asked for or else found.
    """
    guesses = extractor.guess_labels(images)
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
