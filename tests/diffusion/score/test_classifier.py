"""The trained classifier: its shapes, its file, its training and its augmentation."""

import hashlib
import json
from dataclasses import asdict, replace

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion.data import ImageDataset
from diffusion.recipe import DataConfig
from diffusion.score import classifier as module
from diffusion.score.classifier import (
    ClassifierConfig,
    ImageClassifier,
    build_classifier,
    load_classifier,
    save_classifier,
)
from diffusion.score.digits import DIGITS_PATH
from diffusion.score.train_classifier import accuracy, augment, default_epochs, train_classifier

CLASS_NAMES = ("red", "grün", "藍")


def coloured(count, seed, size=16):
    """Return noisy images and labels; the brightest channel is the label."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    images = torch.randint(0, 200, (count, 3, size, size), generator=generator)
    images[torch.arange(count), labels] += 55
    return images.to(torch.uint8), labels


@pytest.fixture(scope="module")
def dataset():
    return ImageDataset("colours", CLASS_NAMES, *coloured(192, seed=0), *coloured(60, seed=1))


@pytest.fixture(scope="module")
def trained(dataset):
    return train_classifier(dataset, epochs=5, seed=3)


@pytest.fixture(scope="module")
def content(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "extractor.safetensors"
    save_classifier(*trained, path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """A path that the examples of one test write to in turn."""
    return tmp_path_factory.mktemp("damaged") / "extractor.safetensors"


def refusal(path):
    with pytest.raises(ValueError, match="extractor ") as error:
        load_classifier(path)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def header_length(content):
    return 8 + int.from_bytes(content[:8], "little")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 17, 28, 31, 32, 33, 56, 64, 100])
def test_images_of_any_size_have_96_features_from_a_map_of_3_or_4_pixels(size, channels):
    classifier = ImageClassifier(channels, size, 5).eval()
    images = torch.randint(0, 256, (3, channels, size, size), dtype=torch.uint8)
    features = classifier.features(images)
    assert features.shape == (3, 96)
    assert features.isfinite().all()
    assert features.min() >= 0
    assert torch.equal(classifier(images), classifier.output(features))
    assert classifier(images).shape == (3, 5)
    assert classifier.blocks(images.float()).shape in ((3, 128, 3, 3), (3, 128, 4, 4))


@pytest.mark.parametrize(
    ("size", "num_classes", "message"),
    [
        (15, 3, "image_size is 15; allowed: at least 16 pixels"),
        (1, 3, "image_size is 1; allowed"),
        (16, 1, "num_classes is 1; allowed: at least 2"),
    ],
)
def test_what_cannot_be_classified_is_refused(size, num_classes, message):
    with pytest.raises(ValueError, match=message):
        build_classifier(DataConfig("a", size, 3, num_classes, ""), seed=0)


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(2, 1, 16, 16, dtype=torch.uint8),
        torch.zeros(2, 3, 16, 17, dtype=torch.uint8),
        torch.zeros(3, 16, 16, dtype=torch.uint8),
        torch.zeros(2, 3, 16, 16),
    ],
    ids=lambda images: f"{list(images.shape)} {images.dtype}",
)
def test_images_of_another_form_are_refused(trained, images):
    with pytest.raises(ValueError, match=r"allowed: \[N, 3, 16, 16\] torch.uint8") as error:
        trained[0].features(images)
    assert f"{list(images.shape)} {images.dtype}" in str(error.value)


def test_an_image_has_the_same_features_in_any_batch(trained, dataset):
    images = dataset.held_out_images[:12].clone()
    features = trained[0].features(images)
    alone = torch.cat([trained[0].features(image[None]) for image in images])
    torch.testing.assert_close(alone, features, rtol=1e-4, atol=1e-5)
    assert torch.equal(images, dataset.held_out_images[:12])


def test_training_learns_and_tells_what_it_did(trained, dataset):
    classifier, config = trained
    assert config.accuracy > 0.9
    images, labels = dataset.held_out_images, dataset.held_out_labels
    assert config.accuracy == float((classifier(images).argmax(1) == labels).double().mean())
    assert config.data == dataset.config()
    assert config.class_names == CLASS_NAMES
    assert (config.epochs, config.seed, config.flip) == (5, 3, False)
    assert config.threads == torch.get_num_threads()


def test_training_repeats_with_its_seed_and_leaves_the_global_one_alone(dataset):
    state = torch.get_rng_state()
    weights = [
        train_classifier(dataset, epochs=1, seed=seed, flip=flip)[0].output.weight
        for seed, flip in ((3, False), (3, False), (4, False), (3, True))
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[3])
    assert torch.equal(torch.get_rng_state(), state)


def test_held_out_images_shape_nothing_but_the_accuracy(dataset, trained):
    wrong = replace(dataset, held_out_labels=(dataset.held_out_labels + 1) % 3)
    classifier, config = train_classifier(wrong, epochs=5, seed=3)
    assert config.accuracy < 0.1
    assert replace(config, accuracy=trained[1].accuracy) == trained[1]
    for name, value in classifier.state_dict().items():
        assert torch.equal(value, trained[0].state_dict()[name]), name


@pytest.mark.parametrize("count", [3, 128, 129])
def test_progress_counts_every_image_of_every_epoch(count, dataset):
    images, labels = coloured(count, seed=2)
    small = replace(dataset, train_images=images, train_labels=labels)
    seen = []
    classifier, _ = train_classifier(small, epochs=2, on_progress=seen.append)
    assert seen == sorted(set(seen))
    assert seen[-1] == 2 * count
    assert len(seen) == 2 * (1 if count <= 128 else 2)
    assert all(weights.isfinite().all() for weights in classifier.parameters())
    assert torch.equal(images, coloured(count, seed=2)[0])


@pytest.mark.parametrize("label", [0, 1, 2])
def test_accuracy_of_a_constant_answer_is_the_share_of_its_label(label):
    classifier = build_classifier(DataConfig("a", 16, 3, 3, ""), seed=0).eval()
    with torch.no_grad():
        classifier.output.weight.zero_()
        classifier.output.bias.copy_(torch.eye(3)[label])
    labels = torch.tensor([0, 1, 1, 2, 2, 2, 2, 2])
    images = torch.zeros(8, 3, 16, 16, dtype=torch.uint8)
    assert accuracy(classifier, images, labels) == (1 / 8, 2 / 8, 5 / 8)[label]


@given(seed=st.integers(0, 2**32), size=st.sampled_from([16, 28, 40]), flip=st.booleans())
@settings(max_examples=25, deadline=None)
def test_augmented_images_are_shifted_by_an_eighth_at_most_and_mirrored_if_asked(seed, size, flip):
    # Each pixel holds its own place: rows in the first channel, columns in the second.
    place = torch.arange(size, dtype=torch.uint8).expand(size, size)
    images = torch.stack([place.T, place]).repeat(64, 1, 1, 1)
    moved = augment(images, torch.Generator().manual_seed(seed), flip)
    assert moved.dtype == torch.uint8
    most, line = size // 8, torch.arange(size)
    shifted = {tuple((line + s).clamp(0, size - 1).tolist()) for s in range(-most, most + 1)}
    mirrored = {row[::-1] for row in shifted}
    for rows, columns in moved:
        assert tuple(rows[:, 0].tolist()) in shifted
        assert (rows == rows[:, :1]).all()
        assert tuple(columns[0].tolist()) in (shifted | mirrored if flip else shifted)
        assert (columns == columns[:1]).all()
    found = {tuple(columns[0].tolist()) for _, columns in moved}
    assert found & shifted
    assert bool(found & mirrored) == flip


def test_a_file_gives_back_the_classifier_and_what_it_was_trained_on(trained, dataset, tmp_path):
    path = tmp_path / "extractor.safetensors"
    digest = save_classifier(*trained, path)
    classifier, config, sha256 = load_classifier(path)
    assert sha256 == digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert config == trained[1]
    assert config.class_names == CLASS_NAMES
    images = dataset.held_out_images
    assert torch.equal(classifier.features(images), trained[0].features(images))
    assert torch.equal(classifier(images), trained[0](images))
    assert not classifier.training
    assert not any(weights.requires_grad for weights in classifier.parameters())


def test_any_reader_of_safetensors_sees_what_a_file_holds(trained, content, tmp_path):
    path = tmp_path / "extractor.safetensors"
    path.write_bytes(content)
    with safetensors.safe_open(path, "pt") as file:
        description = json.loads(file.metadata()[module.METADATA_KEY])
    expected = json.loads(json.dumps(asdict(trained[1])))
    assert description == {**expected, "format": 1, "checksum": description["checksum"]}


def test_a_saved_file_is_the_same_each_time_and_alone(trained, content, tmp_path):
    path = tmp_path / "extractor.safetensors"
    path.write_text("older")
    save_classifier(*trained, path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_writing_leaves_nothing_behind(trained, tmp_path):
    folder = tmp_path / "folder"
    (folder / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"):
        save_classifier(*trained, folder)
    assert list(tmp_path.iterdir()) == [folder]


def test_loading_leaves_the_global_seed_alone(content, damaged):
    damaged.write_bytes(content)
    state = torch.get_rng_state()
    load_classifier(damaged)
    assert torch.equal(torch.get_rng_state(), state)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_flipped_bit_is_refused(content, damaged, data):
    whole, header = len(content) - 1, header_length(content) - 1
    position = data.draw(st.integers(0, whole) | st.integers(0, header))
    changed = bytearray(content)
    changed[position] ^= 1 << data.draw(st.integers(0, 7))
    damaged.write_bytes(changed)
    refusal(damaged)


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=30, deadline=None)
def test_any_cut_file_is_refused(content, damaged, share):
    damaged.write_bytes(content[: int(share * len(content))])
    assert "cannot be read" in refusal(damaged)


def pickled(path):
    torch.save({"weight": torch.zeros(3)}, path)


OTHER_FILES = {
    "missing": (lambda path: None, "No such file"),
    "folder": (lambda path: path.mkdir(), "it is no regular file"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be read"),
    "text": (lambda path: path.write_text("not a classifier\n" * 9), "cannot be read"),
    "pickle": (pickled, "cannot be read"),
    "digits": (lambda path: path.write_bytes(DIGITS_PATH.read_bytes()), "has format None"),
    "plain": (lambda path: safetensors.torch.save_file({}, path), "has format None"),
    "null": (lambda path: write_metadata(path, "null"), "has format None"),
    "list": (lambda path: write_metadata(path, "[1]"), "has format None"),
    "nested": (lambda path: write_metadata(path, "[" * 100_000), "cannot be read"),
    "newer": (lambda path: write_metadata(path, '{"format": 2}'), "format 2; allowed: 1,"),
    "bare": (lambda path: write_metadata(path, '{"format": 1}'), "is damaged: its checksum"),
}


def write_metadata(path, text):
    safetensors.torch.save_file({"a": torch.zeros(2)}, path, {module.METADATA_KEY: text})


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_other_files_are_refused_in_one_line(kind, tmp_path):
    path = tmp_path / "other.safetensors"
    write, message = OTHER_FILES[kind]
    write(path)
    assert message in refusal(path)


@pytest.mark.parametrize(
    "change",
    [
        {"class_names": ("red", "green"), "num_classes": 2},
        {"image_size": 64},
        {"channels": 1},
        {"image_size": 8},
    ],
    ids=str,
)
def test_weights_that_do_not_fit_their_description_are_refused(change, trained, tmp_path):
    classifier, config = trained
    names = change.get("class_names", CLASS_NAMES)
    form = {name: value for name, value in change.items() if name != "class_names"}
    path = tmp_path / "extractor.safetensors"
    lying = replace(config, data=replace(config.data, **form), class_names=names)
    save_classifier(classifier, lying, path)
    assert "holds no classifier: " in refusal(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accuracy": 1.5}, r"classifier.accuracy is 1.5; allowed: a share from 0 to 1"),
        ({"accuracy": float("nan")}, r"classifier.accuracy is nan; allowed"),
        ({"class_names": ("red",)}, r"classifier.class_names is .* the names of 3 classes"),
        ({"class_names": (1, 2, 3)}, r"classifier.class_names is \(1, 2, 3\); allowed"),
    ],
)
def test_a_wrong_description_cannot_be_built(change, message, trained):
    values = {**vars(trained[1]), **change}
    with pytest.raises(ValueError, match=message):
        ClassifierConfig(**values)


@pytest.mark.parametrize(
    ("count", "epochs"),
    [(2, 100), (960, 100), (4_800, 20), (4_801, 20), (6_000, 16), (8_000, 12), (50_000, 12)],
)
def test_fewer_images_are_seen_more_often(count, epochs, dataset):
    images = torch.zeros(1, 1, 1, 1, dtype=torch.uint8).expand(count, -1, -1, -1)
    assert default_epochs(replace(dataset, train_images=images)) == epochs


@pytest.mark.slow
def test_digits_are_learned_by_features_that_are_all_alive(mnist5k):
    classifier, config = train_classifier(mnist5k, epochs=8)
    assert config.accuracy > 0.97
    features = torch.cat([classifier.features(x) for x in mnist5k.held_out_images.split(500)])
    assert (features > 0).any(dim=0).all()
