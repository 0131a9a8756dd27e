"""Scores of images by their classes: agreement, balance and similarity."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from diffusion.data import ImageDataset
from diffusion.recipe import DataConfig
from diffusion.score.by_label import score_by_label
from diffusion.score.choose_extractor import build_extractor

COUNT = 500


@dataclass
class Seen:
    """A data set and who sees it."""

    dataset: ImageDataset
    extractor: Any


def by_label(images, labels, references):
    return score_by_label(images, labels, references.dataset, references.extractor)


@pytest.fixture(scope="module")
def references(mnist5k):
    return Seen(mnist5k, build_extractor(mnist5k.config()))


@pytest.fixture(scope="module")
def real(mnist5k):
    """Held-out digits and their labels."""
    return mnist5k.held_out_images[:COUNT], mnist5k.held_out_labels[:COUNT]


def noise_like(images):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, images.shape, dtype=torch.uint8, generator=generator)


def test_shuffled_labels_agree_by_chance(real, references):
    shuffled = real[1][torch.randperm(COUNT, generator=torch.Generator().manual_seed(0))]
    # 500 draws at 0.1: the standard deviation is 0.013.
    scored = by_label(real[0], shuffled, references)
    assert scored["label_agreement"] == pytest.approx(0.1, abs=0.04)
    assert by_label(real[0], (real[1] + 1) % 10, references)["label_agreement"] < 0.03


@pytest.mark.parametrize(
    ("name", "knows"),
    [("mnist5k", True), ("mnist", True), ("fashion-mnist", False), ("folder:/clothes", False)],
)
def test_only_digits_have_their_labels_guessed_and_others_are_warned_of(
    name, knows, real, references, caplog
):
    extractor = build_extractor(DataConfig(name, 28, 1, 10, ""))
    assert ("features made for digits" in caplog.text) == (not knows)
    guesses = extractor.guess_labels(real[0])
    scored = by_label(*real, replace(references, extractor=extractor))
    if knows:
        assert guesses.dtype == torch.int64
        assert scored["label_agreement"] == float((guesses == real[1]).double().mean()) > 0.95
    else:
        assert guesses is None
        assert scored["label_agreement"] is scored["label_balance"] is None
    assert scored["ssim"] > 0.2
    features = extractor.features(real[0])
    assert features.shape == (COUNT, extractor.dimension)
    assert features.dtype == np.float64


def with_labels(counts):
    """A data set of these labels, in a mixed order."""
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    images = torch.zeros(len(labels), 1, 2, 2, dtype=torch.uint8)
    names = tuple(map(str, range(len(counts))))
    return ImageDataset("some", names, images, labels[order], images, labels[order])


class Guesses:
    """An extractor whose classifier is told what to find."""

    def __init__(self, labels):
        self.labels = labels

    def guess_labels(self, images):
        return self.labels


def guessed(counts, guesses, labels=None):
    """Score images that are taken for `guesses`, against a data set of these label counts."""
    dataset = with_labels(counts)
    dataset = replace(dataset, held_out_labels=torch.zeros_like(dataset.held_out_labels))
    found = None if guesses is None else torch.tensor(guesses)
    asked = None if labels is None else torch.tensor(labels)
    images = torch.zeros(len(labels or guesses), 1, 2, 2, dtype=torch.uint8)
    return by_label(images, asked, Seen(dataset, Guesses(found)))


@pytest.mark.parametrize(
    ("counts", "guesses", "balance"),
    [
        ([5, 5], [0, 1], 1.0),
        ([5, 5], [1, 1, 0, 0, 1, 0], 1.0),
        ([5, 5], [0, 0, 0], 0.5),
        ([1] * 10, [7] * 4, 0.1),
        ([1, 3], [0, 0, 1, 1], 0.75),
        ([9, 0, 1], [1, 1], 0.0),
        ([9, 0, 1], [2, 2, 2, 2, 0], 0.3),
    ],
)
def test_balance_is_what_both_shares_of_the_classes_have_in_common(counts, guesses, balance):
    scored = guessed(counts, guesses)
    assert scored["label_balance"] == pytest.approx(balance, abs=1e-12)
    shares = [
        np.bincount(guesses, minlength=len(counts)) / len(guesses),
        np.divide(counts, sum(counts)),
    ]
    assert scored["label_balance"] == pytest.approx(np.minimum(*shares).sum(), abs=1e-12)
    # What was asked for does not count, what is found does.
    asked = guessed(counts, guesses, labels=[0] * len(guesses))
    assert asked["label_balance"] == scored["label_balance"]


@pytest.mark.parametrize(
    ("guesses", "labels", "agreement"),
    [([0, 1, 2, 2], [0, 1, 2, 2], 1.0), ([0, 1, 2, 2], [0, 0, 0, 2], 0.5), ([1], [2], 0.0)],
)
def test_agreement_is_the_share_of_labels_that_are_found(guesses, labels, agreement):
    assert guessed([2, 2, 2], guesses, labels)["label_agreement"] == agreement


def test_scores_by_label_are_none_where_nothing_tells_them():
    nothing = {"label_agreement": None, "label_balance": None, "ssim": None}
    assert guessed([2, 2], None, labels=[0, 1]) == nothing  # and images below the window's size
    references = Seen(with_labels([2, 2]), Guesses(None))
    images = torch.zeros(3, 1, 28, 28, dtype=torch.uint8)
    assert by_label(images, None, references) == nothing
    unasked = guessed([2, 2], [0, 1])
    assert unasked["label_agreement"] is None
    assert unasked["label_balance"] == 1


def test_balance_of_real_digits_is_near_one_and_of_one_digit_its_share(mnist5k, references, real):
    assert by_label(*real, references)["label_balance"] > 0.93
    threes = real[0][real[1] == 3]
    alone = by_label(threes, None, references)["label_balance"]
    assert alone == pytest.approx(0.1, abs=0.08)


@pytest.fixture(scope="module")
def prototypes(mnist5k):
    """A data set with one digit a class, seven times over: any random partner is that digit."""
    first = [int((mnist5k.train_labels == label).nonzero()[0]) for label in range(10)]
    images, labels = mnist5k.train_images[first].repeat(7, 1, 1, 1), torch.arange(10).repeat(7)
    return replace(mnist5k, train_images=images, train_labels=labels)


def test_partner_of_an_image_is_a_training_image_of_its_label(prototypes):
    labels = torch.tensor([3, 0, 9, 9, 5, 3])
    images = prototypes.train_images[labels]
    references = Seen(prototypes, Guesses((labels + 1) % 10))
    assert by_label(images, labels, references)["ssim"] == pytest.approx(1)
    assert by_label(images, (labels + 1) % 10, references)["ssim"] < 0.7
    # Not asked for any, they are taken for what they look like.
    assert by_label(images, None, references)["ssim"] < 0.7
    found = replace(references, extractor=Guesses(labels))
    assert by_label(images, None, found)["ssim"] == pytest.approx(1)
    unknown = replace(references, extractor=Guesses(None))
    assert by_label(images, labels, unknown)["ssim"] == pytest.approx(1)
    assert by_label(images, None, unknown)["ssim"] is None


def test_digits_are_more_similar_to_their_own_class(real, references):
    scores = by_label(*real, references)
    others = by_label(real[0], (real[1] + 1) % 10, references)
    noise = by_label(noise_like(real[0]), real[1], references)
    assert 1 > scores["ssim"] > others["ssim"] + 0.1
    assert others["ssim"] > noise["ssim"]
    assert noise["ssim"] == pytest.approx(0, abs=0.02)


def test_partners_are_drawn_and_not_all_the_same(real, references):
    _, labels = real
    zeros = torch.zeros(200, dtype=torch.int64)
    scored = {
        by_label(real[0][labels == 0][:1].repeat(count, 1, 1, 1), zeros[:count], references)[
            "ssim"
        ]
        for count in (1, 2, 5, 200)
    }
    assert len(scored) == 4
