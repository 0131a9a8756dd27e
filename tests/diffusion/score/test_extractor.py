"""Extractors: which one scores which data, and what a trained one makes of images."""

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from diffusion.data import ImageDataset
from diffusion.errors import MetricUndefined
from diffusion.recipe import DataConfig
from diffusion.score import extractor as module
from diffusion.score.choose_extractor import ExtractorChoice, build_extractor
from diffusion.score.classifier import save_classifier
from diffusion.score.digits import DIGITS_SHA256
from diffusion.score.extractor import ClassifierExtractor
from diffusion.score.frechet import FrechetReference, GaussianStatistics
from diffusion.score.quality import References, score_images
from diffusion.score.train_classifier import train_classifier

CLASS_NAMES = ("dark", "light")


def shaded(count, seed, channels=3, size=16):
    """Return noise, dark and light in turn, and its labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    images = torch.randint(0, 128, (count, channels, size, size), generator=generator)
    return (images + 128 * labels[:, None, None, None]).to(torch.uint8), labels


def shaded_dataset(channels, size):
    splits = (shaded(count, seed, channels, size) for seed, count in enumerate((300, 200)))
    images, labels, held_out_images, held_out_labels = (part for pair in splits for part in pair)
    return ImageDataset("shades", CLASS_NAMES, images, labels, held_out_images, held_out_labels)


@pytest.fixture(scope="module")
def dataset():
    return shaded_dataset(channels=3, size=16)


@pytest.fixture(scope="module")
def written(dataset, tmp_path_factory):
    """A trained extractor's file and its SHA-256."""
    path = tmp_path_factory.mktemp("extractor") / "extractor.safetensors"
    return path, save_classifier(*train_classifier(dataset, epochs=4), path)


@pytest.fixture(scope="module")
def extractor(written, dataset):
    return build_extractor(dataset.config(), ExtractorChoice(str(written[0])), dataset.class_names)


def test_a_given_file_is_the_extractor(extractor, written, dataset):
    assert isinstance(extractor, ClassifierExtractor)
    assert extractor.name == "classifier:shades"
    assert extractor.sha256 == written[1]
    assert (extractor.layer, extractor.preprocessing) == ("hidden", "bytes / 127.5 - 1, float32")
    features = extractor.features(dataset.held_out_images)
    assert features.shape == (200, extractor.dimension)
    assert features.dtype == np.float64
    assert np.isfinite(features).all()


def test_a_trained_extractor_guesses_the_labels(extractor, dataset):
    guesses = extractor.guess_labels(dataset.held_out_images)
    assert guesses.dtype == torch.int64
    assert (guesses == dataset.held_out_labels).double().mean() > 0.95


@pytest.mark.parametrize("names", [(), ("light", "dark"), ("dark", "bright"), ("dark",)])
def test_labels_of_other_classes_are_not_guessed(names, written, dataset):
    other = build_extractor(dataset.config(), ExtractorChoice(str(written[0])), names)
    assert other.guess_labels(dataset.held_out_images) is None
    assert other.features(dataset.held_out_images[:4]).shape == (4, other.dimension)


@pytest.mark.parametrize("batch_pixels", [1, 7 * 16 * 16, 10**9])
def test_features_do_not_depend_on_the_batches(batch_pixels, extractor, dataset, monkeypatch):
    images = dataset.held_out_images[:20]
    features, guesses = extractor.features(images), extractor.guess_labels(images)
    monkeypatch.setattr(module, "BATCH_PIXELS", batch_pixels)
    np.testing.assert_allclose(extractor.features(images), features, rtol=1e-4, atol=1e-5)
    assert torch.equal(extractor.guess_labels(images), guesses)


@pytest.mark.slow
def test_worse_images_score_worse(extractor, dataset):
    references = References.of(dataset, extractor)
    images, labels = shaded(200, seed=9)
    scores = score_images(images, labels, references)
    assert scores["extractor"] == "classifier:shades"
    assert scores["extractor_sha256"] == extractor.sha256
    assert scores["label_agreement"] > 0.95
    assert scores["label_balance"] > 0.95
    one_class = score_images(images[labels == 0], labels[labels == 0], references)
    assert scores["fid"] < one_class["fid"] / 10
    assert scores["fid"] < scores["fid_noise"] / 10


@pytest.mark.parametrize(
    ("channels", "size", "form"),
    [
        (1, 16, "grey images of 16 pixels"),
        (3, 32, "colour images of 32 pixels"),
        (1, 28, "grey images of 28 pixels"),
    ],
)
def test_a_file_for_other_images_is_refused(channels, size, form, written):
    data = DataConfig("folder:/mine", size, channels, 2, "")
    with pytest.raises(MetricUndefined, match=f"dataset 'folder:/mine' has {form};") as error:
        build_extractor(data, ExtractorChoice(str(written[0])), CLASS_NAMES)
    message = f"extractor {written[0]} is for colour images of 16 pixels (trained on 'shades')"
    assert message in str(error.value)


def test_a_file_that_is_no_extractor_is_refused(dataset, tmp_path):
    path = tmp_path / "missing.safetensors"
    with pytest.raises(ValueError, match=r"missing.safetensors cannot be read: .*No such file"):
        build_extractor(dataset.config(), ExtractorChoice(str(path)))


def test_a_file_with_another_hash_than_asked_for_is_refused(written, dataset):
    path, sha256 = written
    build_extractor(dataset.config(), ExtractorChoice(str(path), sha256=sha256))
    with pytest.raises(ValueError, match=f"has SHA-256 {sha256}; allowed: {'0' * 64}, as asked"):
        build_extractor(dataset.config(), ExtractorChoice(str(path), sha256="0" * 64))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("/mine", Path("w.pth")), "weights is 'w.pth' with extractor '/mine'; allowed: with 'in"),
        (("inception", None, "12ab"), "sha256 is '12ab'; allowed: 64 hexadecimal digits"),
        (("inception", None, "A" * 64), f"sha256 is '{'A' * 64}'; allowed: 64 hexadecimal"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        ExtractorChoice(*values)


def test_a_choice_can_be_sent_and_looked_up():
    choice = ExtractorChoice("inception", Path("/w.pth"), "0" * 64)
    assert pickle.loads(pickle.dumps(choice)) == choice
    assert len({choice, pickle.loads(pickle.dumps(choice)), ExtractorChoice()}) == 2


def test_a_given_file_goes_before_the_built_in_extractor(tmp_path, caplog):
    dataset = shaded_dataset(channels=1, size=28)
    assert build_extractor(dataset.config()).name == "digits"
    assert "python -m study.train_extractor makes one of its own" in caplog.text
    caplog.clear()
    path = tmp_path / "extractor.safetensors"
    save_classifier(*train_classifier(dataset, epochs=1), path)
    for name in ("shades", "mnist5k"):
        data = dataclasses.replace(dataset.config(), name=name)
        assert build_extractor(data, ExtractorChoice(str(path))).name == "classifier:shades"
    assert caplog.text == ""


def test_digits_need_no_file(mnist5k):
    extractor = build_extractor(mnist5k.config())
    assert (extractor.layer, extractor.preprocessing) == ("hidden2", "bytes / 255, float64")
    assert (extractor.name, extractor.dimension, extractor.sha256) == ("digits", 84, DIGITS_SHA256)
    guesses = extractor.guess_labels(mnist5k.held_out_images[:100])
    assert (guesses == mnist5k.held_out_labels[:100]).double().mean() > 0.95


@pytest.fixture(scope="module")
def digits(mnist5k):
    """The built-in extractor, 600 digits, their features, and a reference of other digits."""
    extractor = build_extractor(mnist5k.config())
    images = mnist5k.held_out_images[:600]
    others = extractor.features(mnist5k.train_images[:1500])
    reference = FrechetReference(GaussianStatistics.from_features(others))
    return extractor, images, extractor.features(images), reference


def assert_same_score(features, again, reference):
    np.testing.assert_allclose(again, features, rtol=0, atol=1e-13)
    fid, fid_again = (
        reference.distance(GaussianStatistics.from_features(x)) for x in (features, again)
    )
    assert fid > 1
    assert fid_again == pytest.approx(fid, rel=1e-9)


@pytest.mark.parametrize("batch_size", [1, 7, 100, 600])
def test_digits_score_the_same_to_1e_9_in_any_batches(batch_size, digits, monkeypatch):
    extractor, images, features, reference = digits
    monkeypatch.setattr(module, "BATCH_PIXELS", batch_size * 28 * 28)
    assert_same_score(features, extractor.features(images), reference)


def test_digits_score_the_same_to_1e_9_in_any_order_and_shares_of_workers(digits):
    extractor, images, features, reference = digits
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(1))
    shuffled = np.empty_like(features)
    shuffled[order.numpy()] = extractor.features(images[order])
    assert_same_score(features, shuffled, reference)
    shares = [extractor.features(share) for share in images.split([1, 250, 349])]
    assert_same_score(features, np.concatenate(shares), reference)


@pytest.mark.parametrize("threads", [1, 2])
def test_digits_score_the_same_to_1e_9_on_any_threads(threads, digits):
    extractor, images, features, reference = digits
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert_same_score(features, extractor.features(images), reference)
    finally:
        torch.set_num_threads(before)
