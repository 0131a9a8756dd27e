"""The score of generated images, on real digits, worse digits and noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion.errors import MetricUndefined
from diffusion.recipe import DataConfig
from diffusion.score.choose_extractor import build_extractor
from diffusion.score.digits import DIGITS_SHA256
from diffusion.score.frechet import GaussianStatistics
from diffusion.score.quality import floors, score_images
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


def test_interval_counts_what_the_labels_fix_as_no_chance(scores, real, references):
    free = score_images(real[0], None, references)
    assert free["fid"] == scores["fid"]
    assert scores["fid_high"] < scores["fid"] + 0.8 * (free["fid_high"] - free["fid"])


@pytest.mark.slow
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


def fid_of(images, references):
    statistics = GaussianStatistics.from_features(references.extractor.features(images))
    return references.train.frechet.distance(statistics)


def blurred(images, passes):
    """Average 3x3 neighbourhoods, so many times over."""
    values = images.double()
    for _ in range(passes):
        values = torch.nn.functional.avg_pool2d(values, 3, stride=1, padding=1)
    return values.round().to(torch.uint8)


def without_classes(images, labels, dropped):
    """Keep as many images, of fewer classes."""
    kept = (labels >= dropped).nonzero().flatten()
    return images[kept[torch.arange(len(images)) % len(kept)]]


def duplicated(images, distinct):
    """Repeat the first `distinct` images instead of the others."""
    return images[torch.arange(len(images)) % distinct]


@pytest.mark.parametrize(
    "worsened",
    [
        lambda images, labels: [noisy(images, share) for share in (0.05, 0.1, 0.2, 0.4, 0.8)],
        lambda images, labels: [blurred(images, passes) for passes in (1, 2, 3, 5, 8)],
        lambda images, labels: [without_classes(images, labels, n) for n in (1, 3, 5, 7, 9)],
        lambda images, labels: [duplicated(images, n) for n in (250, 100, 40, 16, 6)],
    ],
    ids=["noise", "blur", "dropped classes", "duplicates"],
)
def test_what_is_worse_scores_worse_step_by_step(worsened, real, references):
    fids = [fid_of(images, references) for images in (real[0], *worsened(*real))]
    assert fids == sorted(fids)
    assert np.diff(fids).min() > 0.02 * fids[0]
    assert fids[-1] > 5 * fids[0]


def test_each_measure_has_the_floor_of_real_images_at_the_same_count(scores, references, mnist5k):
    names = {"fid", "fid_held_out", "fid_infinity", "kid", "precision", "recall"}
    names |= {"nearest_train_distance", "label_agreement", "label_balance", "ssim"}
    assert all(isinstance(scores[f"{name}_floor"], float) for name in names)
    assert scores["num_images_floor"] == COUNT
    picks = torch.linspace(0, 999, COUNT, dtype=torch.float64).round().long()
    assert scores["fid_floor"] == fid_of(mnist5k.held_out_images[picks], references)
    assert scores["num_images_held_out_floor"] == COUNT
    more = floors(references, 5_000)
    assert more["num_images"] == 1_000, "there are no more held-out images"
    assert more["num_images_held_out"] == 4_000, "there are no more training images"
    assert more["fid"] < scores["fid_floor"]


def test_noise_is_far_off_every_floor(real, references):
    scored = score_images(noisy(real[0], 1.0), real[1], references)
    # Precision is fooled: what noise has for features lies in the ball of one odd real digit.
    assert scored["recall"] < 0.01
    assert scored["kid"] > 10 > abs(scored["kid_floor"])
    assert scored["nearest_train_distance"] > 2 * scored["nearest_train_distance_floor"]
    assert scored["fid_infinity"] == pytest.approx(scored["fid"], rel=0.02)


def test_copies_of_training_images_are_found_out(mnist5k, references, scores):
    copies = score_images(mnist5k.train_images[:COUNT], mnist5k.train_labels[:COUNT], references)
    assert copies["nearest_train_distance"] == 0
    assert scores["nearest_train_distance"] == pytest.approx(
        scores["nearest_train_distance_floor"], rel=0.05
    )


def test_one_class_alone_has_precision_without_recall(mnist5k, references):
    ones = mnist5k.held_out_labels == 1
    scored = score_images(mnist5k.held_out_images[ones], mnist5k.held_out_labels[ones], references)
    assert scored["precision"] > 0.6
    assert scored["recall"] < 0.3


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(9, 3, 28, 28, dtype=torch.uint8), r"\[9, 3, 28, 28\] torch.uint8"),
        (torch.zeros(9, 1, 32, 32, dtype=torch.uint8), r"\[9, 1, 32, 32\] torch.uint8"),
        (torch.full((9, 1, 28, 28), float("nan")), "torch.float32"),
        (torch.zeros(9, 28, 28, dtype=torch.uint8), r"\[9, 28, 28\]"),
    ],
    ids=["colour", "size", "not bytes", "no channels"],
)
def test_images_of_another_form_are_refused(images, message, references):
    expected = message + r".*allowed: \[N, 1, 28, 28\] torch.uint8"
    with pytest.raises(ValueError, match=expected):
        score_images(images, None, references)


def test_grey_images_of_colour_data_are_refused(references, mnist5k):
    colour = replace(mnist5k, train_images=mnist5k.train_images.repeat(1, 3, 1, 1))
    with pytest.raises(ValueError, match=r"allowed: \[N, 3, 28, 28\]"):
        score_images(mnist5k.held_out_images, None, replace(references, dataset=colour))


def test_the_fid_of_the_same_images_is_the_same_in_any_batches_and_order(real, references):
    whole = fid_of(real[0], references)
    parts = [references.extractor.features(part) for part in real[0].split(7)]
    statistics = GaussianStatistics.from_batches(parts)
    assert references.train.frechet.distance(statistics) == pytest.approx(whole, rel=1e-9)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(0))
    assert fid_of(real[0][order], references) == pytest.approx(whole, rel=1e-9)
    workers = [GaussianStatistics.from_features(np.concatenate(parts[i::3])) for i in range(3)]
    merged = workers[0].merge(workers[1]).merge(workers[2])
    assert references.train.frechet.distance(merged) == pytest.approx(whole, rel=1e-9)
