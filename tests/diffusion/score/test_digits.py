"""The shipped digit classifier: its file, its inputs and outputs, and what it recognises."""

import hashlib
import os

import pytest
import torch

from diffusion.data import DATA_DIR_VARIABLE, load_dataset
from diffusion.score import digits
from diffusion.score.digits import DIGITS_SHA256, DigitClassifier, load_digit_classifier
from diffusion.score.train_digits import accuracy, augment, save, train


@pytest.fixture(scope="module")
def classifier():
    return load_digit_classifier()


@pytest.fixture(scope="module")
def mnist5k():
    return load_dataset("mnist5k")


def test_shipped_file_has_the_hash_that_code_and_card_name():
    assert hashlib.sha256(digits.DIGITS_PATH.read_bytes()).hexdigest() == DIGITS_SHA256
    assert DIGITS_SHA256 in digits.DIGITS_PATH.with_suffix(".md").read_text()


def test_tampered_or_missing_weights_are_refused(tmp_path, monkeypatch):
    content = bytearray(digits.DIGITS_PATH.read_bytes())
    content[-1] ^= 1
    copy = tmp_path / "digits.safetensors"
    monkeypatch.setattr(digits, "DIGITS_PATH", copy)
    with pytest.raises(ValueError, match="cannot be read; reinstall"):
        load_digit_classifier()
    copy.write_bytes(content)
    with pytest.raises(ValueError, match=f"has SHA-256 .*; allowed: {DIGITS_SHA256}"):
        load_digit_classifier()


def test_classifier_is_frozen_and_of_the_size_of_lenet(classifier):
    assert not classifier.training
    assert not any(weight.requires_grad for weight in classifier.parameters())
    assert sum(weight.numel() for weight in classifier.parameters()) == 61_706


def test_features_are_84_finite_activations_that_decide_the_logits(classifier, mnist5k):
    images = mnist5k.held_out_images[:50]
    features = classifier.features(images)
    assert features.shape == (50, 84)
    assert features.dtype == torch.float32
    assert features.isfinite().all()
    assert features.min() == 0
    assert torch.equal(classifier(images), classifier.output(features))
    assert classifier(images).shape == (50, 10)


def test_an_image_has_the_same_features_in_any_batch(classifier, mnist5k):
    images = mnist5k.held_out_images[:20].clone()
    features = classifier.features(images)
    alone = torch.cat([classifier.features(image[None]) for image in images])
    torch.testing.assert_close(alone, features)
    assert torch.equal(images, mnist5k.held_out_images[:20])
    assert classifier.features(images[:0]).shape == (0, 84)


def test_features_come_in_the_precision_of_the_weights(classifier, mnist5k):
    images = mnist5k.held_out_images[:20]
    double = load_digit_classifier().double()
    features = double.features(images)
    assert features.dtype == double(images).dtype == torch.float64
    single = classifier.features(images)
    assert not torch.equal(features, single.double()), "computed, not converted at the end"
    torch.testing.assert_close(features, single.double(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(4, 3, 28, 28), (4, 1, 32, 32), (1, 28, 28), (4, 784)])
def test_images_of_another_shape_are_refused(classifier, shape):
    with pytest.raises(ValueError, match=r"allowed: \[N, 1, 28, 28\] torch.uint8") as error:
        classifier.features(torch.zeros(shape, dtype=torch.uint8))
    assert str(list(shape)) in str(error.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_images_of_another_type_are_refused(classifier, dtype):
    with pytest.raises(ValueError, match=f"{dtype}; allowed"):
        classifier(torch.zeros(4, 1, 28, 28, dtype=dtype))


def test_held_out_digits_of_mnist5k_are_recognised(classifier, mnist5k):
    # They are training digits of MNIST: this catches broken weights, it measures nothing.
    assert accuracy(classifier, mnist5k.held_out_images, mnist5k.held_out_labels) >= 0.97


def test_test_digits_of_mnist_are_recognised(classifier):
    if not os.environ.get(DATA_DIR_VARIABLE):
        pytest.skip(f"${DATA_DIR_VARIABLE} names no folder with MNIST")
    mnist = load_dataset("mnist")
    assert accuracy(classifier, mnist.held_out_images, mnist.held_out_labels) >= 0.990


def test_training_learns(mnist5k):
    classifier = train(mnist5k.train_images, mnist5k.train_labels, epochs=1, seed=3)
    assert accuracy(classifier, mnist5k.held_out_images, mnist5k.held_out_labels) > 0.5


def test_training_repeats_with_its_seed_and_leaves_the_global_one_alone(mnist5k):
    images, labels = mnist5k.train_images[:256], mnist5k.train_labels[:256]
    state = torch.get_rng_state()
    weights = [train(images, labels, epochs=1, seed=seed).output.weight for seed in (3, 3, 4)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.get_rng_state(), state)


def test_augmented_digits_move_but_little(mnist5k):
    images = mnist5k.held_out_images[:200]
    moved = augment(images, torch.Generator().manual_seed(0))
    assert moved.dtype == torch.uint8
    assert moved.shape == images.shape
    assert not torch.equal(moved, images)
    ink, moved_ink = (x.double().mean(dim=(1, 2, 3)) for x in (images, moved))
    assert (moved_ink / ink).min() > 0.7
    assert (moved_ink / ink).max() < 1.4


def test_saved_file_is_the_same_each_time(tmp_path):
    network = DigitClassifier()
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    hashes = [save(network, path, epochs=1, seed=0, threads=1) for path in paths]
    assert hashes[0] == hashes[1]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == paths
