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
from diffusion.score.quality import References, score_images, score_labels

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
    agreement = references.extractor.label_agreement(real[0], shuffled)
    assert agreement == pytest.approx(0.1, abs=0.04)
    assert references.extractor.label_agreement(real[0], (real[1] + 1) % 10) < 0.03


def test_same_images_score_the_same(real, references, scores):
    state = torch.get_rng_state()
    again = score_images(*real, references)
    assert again == scores
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("name", "knows"),
    [("mnist5k", True), ("mnist", True), ("fashion-mnist", False), ("folder:/clothes", False)],
)
def test_only_digits_have_an_agreement_and_others_are_warned_of(name, knows, real, caplog):
    extractor = build_extractor(DataConfig(name, 28, 1, 10, ""))
    assert ("features made for digits" in caplog.text) == (not knows)
    agreement = extractor.label_agreement(*real)
    assert agreement > 0.95 if knows else agreement is None
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
