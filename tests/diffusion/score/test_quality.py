"""The score of generated images, on real digits, worse digits and noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion.errors import MetricUndefined
from diffusion.recipe import DataConfig
from diffusion.score.digits import DIGITS_SHA256
from diffusion.score.extractor import build_extractor
from diffusion.score.frechet import GaussianStatistics
from diffusion.score.quality import score_images
from diffusion.score.references import References

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
    expected = references.train.frechet.distance(GaussianStatistics.from_features(features))
    assert scores["fid"] == expected


def test_more_noise_scores_worse(real, references):
    features = [
        references.extractor.features(noisy(real[0], share))
        for share in (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)
    ]
    fids = [
        references.train.frechet.distance(GaussianStatistics.from_features(x)) for x in features
    ]
    assert fids == sorted(fids)
    assert np.diff(fids).min() > 0.5


def test_one_digit_alone_scores_worse_than_all(mnist5k, references, scores):
    threes = mnist5k.held_out_images[mnist5k.held_out_labels == 3]
    features = references.extractor.features(threes)
    alone = references.train.frechet.distance(GaussianStatistics.from_features(features))
    assert alone > 5 * scores["fid"]


def test_real_digits_agree_with_their_labels(scores):
    assert scores["label_agreement"] > 0.95


def test_same_images_score_the_same(real, references, scores):
    state = torch.get_rng_state()
    again = score_images(*real, references)
    assert again == scores
    assert torch.equal(torch.get_rng_state(), state)


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


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_images_have_no_score(count, real, references):
    with pytest.raises(MetricUndefined, match=f"{count} images to score; allowed: 4 or more"):
        score_images(real[0][:count], real[1][:count], references)
