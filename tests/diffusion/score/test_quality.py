"""The score of generated images, on real digits, worse digits and noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion.data import ImageDataset
from diffusion.errors import MetricUndefined
from diffusion.recipe import DataConfig
from diffusion.score.digits import DIGITS_SHA256
from diffusion.score.extractor import build_extractor
from diffusion.score.frechet import GaussianStatistics
from diffusion.score.quality import References, score_by_label, score_images, score_labels

COUNT = 500


@pytest.fixture(scope="module")
def references(mnist5k):
    return References.of(mnist5k, build_extractor(mnist5k.config()))


@pytest.fixture(scope="module")
def real(mnist5k):
    """Held-out digits and their labels."""
    return mnist5k.held_out_images[:COUNT], mnist5k.held_out_labels[:COUNT]


@pytest.fixture(scope="module")
def scores(real, references):
    return score_images(*real, references)


def noisy(images, share, seed=0):
    """Mix images with a share of uniform noise."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randint(0, 256, images.shape, generator=generator)
    return ((1 - share) * images + share * noise).round().to(torch.uint8)


def test_real_digits_score_far_below_noise(scores):
    assert 0 < scores["fid"] < 0.05 * scores["fid_noise"]
    assert 0 <= scores["fid_low"] <= scores["fid"] <= scores["fid_high"] < scores["fid_noise"]
    assert scores["fid_high"] > scores["fid_low"]


def test_digits_of_a_split_are_nearest_to_it(mnist5k, references, scores):
    assert scores["fid_held_out"] < scores["fid"]
    train = score_images(mnist5k.train_images, mnist5k.train_labels, references)
    assert train["fid"] == pytest.approx(0, abs=1e-6)
    assert train["fid_held_out"] > 0.01


def test_scale_is_the_fid_of_uniform_noise(scores, references, real):
    generator = torch.Generator().manual_seed(5)
    noise = torch.randint(0, 256, real[0].shape, dtype=torch.uint8, generator=generator)
    scored = score_images(noise, real[1], references)
    assert scored["fid"] == pytest.approx(scores["fid_noise"], rel=0.05)
    assert scored["fid_noise"] == scores["fid_noise"]
    # It is a distance to the training split alone.
    other = score_images(*real, replace(references, held_out=references.train))
    assert other["fid_noise"] == scores["fid_noise"]
    other = score_images(*real, replace(references, train=references.held_out))
    assert other["fid_noise"] != scores["fid_noise"]


def test_score_names_its_conditions(scores, references, real):
    assert scores["fid_num_images"] == COUNT
    assert scores["extractor"] == "digits"
    assert scores["extractor_sha256"] == DIGITS_SHA256
    features = references.extractor.features(real[0])
    expected = references.train.distance(GaussianStatistics.from_features(features))
    assert scores["fid"] == expected


def test_more_noise_scores_worse(real, references):
    features = [
        references.extractor.features(noisy(real[0], share))
        for share in (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)
    ]
    fids = [references.train.distance(GaussianStatistics.from_features(x)) for x in features]
    assert fids == sorted(fids)
    assert np.diff(fids).min() > 0.5


def test_one_digit_alone_scores_worse_than_all(mnist5k, references, scores):
    threes = mnist5k.held_out_images[mnist5k.held_out_labels == 3]
    features = references.extractor.features(threes)
    alone = references.train.distance(GaussianStatistics.from_features(features))
    assert alone > 5 * scores["fid"]


def test_real_digits_agree_with_their_labels(scores):
    assert scores["label_agreement"] > 0.95


def test_shuffled_labels_agree_by_chance(real, references):
    shuffled = real[1][torch.randperm(COUNT, generator=torch.Generator().manual_seed(0))]
    # 500 draws at 0.1: the standard deviation is 0.013.
    scored = score_by_label(real[0], shuffled, references)
    assert scored["label_agreement"] == pytest.approx(0.1, abs=0.04)
    assert score_by_label(real[0], (real[1] + 1) % 10, references)["label_agreement"] < 0.03


def test_same_images_score_the_same(real, references, scores):
    state = torch.get_rng_state()
    again = score_images(*real, references)
    assert again == scores
    assert torch.equal(torch.get_rng_state(), state)


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
    scored = score_by_label(*real, replace(references, extractor=extractor))
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


@pytest.mark.parametrize(
    ("name", "channels", "image_size", "message"),
    [
        ("cifar10", 3, 32, "colour images of 32 pixels"),
        ("folder:/a", 3, 28, "colour images of 28 pixels"),
        ("folder:/a", 1, 32, "grey images of 32 pixels"),
    ],
)
def test_images_without_an_extractor_are_refused(name, channels, image_size, message):
    with pytest.raises(MetricUndefined, match=message) as error:
        build_extractor(DataConfig(name, image_size, channels, 10, ""))
    assert f"dataset {name!r}" in str(error.value)
    assert "grey images of 28 pixels only (mnist5k, mnist, fashion-mnist" in str(error.value)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_images_have_no_score(count, real, references):
    with pytest.raises(MetricUndefined, match=f"{count} images; allowed: at least 2"):
        score_images(real[0][:count], real[1][:count], references)


def with_labels(counts):
    """A data set of these labels, in a mixed order."""
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    images = torch.zeros(len(labels), 1, 2, 2, dtype=torch.uint8)
    names = tuple(map(str, range(len(counts))))
    return ImageDataset("some", names, images, labels[order], images, labels[order])


@pytest.mark.parametrize("counts", [[400] * 10, [5_923, 6_742, 5_958], [1, 99], [10, 0, 30]])
@pytest.mark.parametrize("count", [20, 100, 1_000])
def test_labels_come_in_the_proportions_of_the_training_split(counts, count):
    labels = score_labels(with_labels(counts), count)
    assert len(labels) == count
    assert labels.dtype == torch.int64
    assert torch.equal(labels, labels.sort().values)
    found = labels.bincount(minlength=len(counts)).double()
    expected = torch.tensor(counts).double() * count / sum(counts)
    assert (found - expected).abs().max() <= 1


def test_labels_of_the_whole_split_are_its_own(mnist5k):
    labels = score_labels(mnist5k, 4_000)
    assert torch.equal(labels, mnist5k.train_labels.sort().values)
    held_out = replace(mnist5k, held_out_labels=mnist5k.held_out_labels[:1])
    assert torch.equal(score_labels(held_out, 4_000), labels)


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
    return score_by_label(images, asked, References(dataset, Guesses(found), None, None))


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
    references = References(with_labels([2, 2]), Guesses(None), None, None)
    images = torch.zeros(3, 1, 28, 28, dtype=torch.uint8)
    assert score_by_label(images, None, references) == nothing
    unasked = guessed([2, 2], [0, 1])
    assert unasked["label_agreement"] is None
    assert unasked["label_balance"] == 1


def test_balance_of_real_digits_is_near_one_and_of_one_digit_its_share(mnist5k, references, real):
    assert score_by_label(*real, references)["label_balance"] > 0.93
    threes = real[0][real[1] == 3]
    alone = score_by_label(threes, None, references)["label_balance"]
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
    references = References(prototypes, Guesses((labels + 1) % 10), None, None)
    assert score_by_label(images, labels, references)["ssim"] == pytest.approx(1)
    assert score_by_label(images, (labels + 1) % 10, references)["ssim"] < 0.7
    # Not asked for any, they are taken for what they look like.
    assert score_by_label(images, None, references)["ssim"] < 0.7
    found = replace(references, extractor=Guesses(labels))
    assert score_by_label(images, None, found)["ssim"] == pytest.approx(1)
    unknown = replace(references, extractor=Guesses(None))
    assert score_by_label(images, labels, unknown)["ssim"] == pytest.approx(1)
    assert score_by_label(images, None, unknown)["ssim"] is None


def test_digits_are_more_similar_to_their_own_class(real, references, scores):
    others = score_by_label(real[0], (real[1] + 1) % 10, references)
    noise = score_by_label(noisy(real[0], 1.0), real[1], references)
    assert 1 > scores["ssim"] > others["ssim"] + 0.1
    assert others["ssim"] > noise["ssim"]
    assert noise["ssim"] == pytest.approx(0, abs=0.02)


def test_partners_are_drawn_and_not_all_the_same(real, references):
    _, labels = real
    zeros = torch.zeros(200, dtype=torch.int64)
    scored = {
        score_by_label(real[0][labels == 0][:1].repeat(count, 1, 1, 1), zeros[:count], references)[
            "ssim"
        ]
        for count in (1, 2, 5, 200)
    }
    assert len(scored) == 4
