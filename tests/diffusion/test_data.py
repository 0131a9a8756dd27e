"""Data sets: their splits, their pixels, and what is said when they are missing or broken."""

import os
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from written_data import loaded_or_refused, write_folder, write_idx, write_image, write_mnist

from diffusion.data import (
    DATA_DIR_VARIABLE,
    MAX_FILE_BYTES,
    TORCHVISION_FOLDERS,
    TORCHVISION_NAMES,
    load_dataset,
    resolve_name,
    to_signed_range,
    to_uint8,
)
from diffusion.errors import DataUnavailable


def images_of(dataset):
    return [image.numpy().tobytes() for image in dataset.train_images], [
        image.numpy().tobytes() for image in dataset.held_out_images
    ]


def test_mnist5k_holds_400_and_100_of_each_digit(mnist5k):
    assert mnist5k.train_images.shape == (4_000, 1, 28, 28)
    assert mnist5k.held_out_images.shape == (1_000, 1, 28, 28)
    assert mnist5k.train_images.dtype == mnist5k.held_out_images.dtype == torch.uint8
    assert mnist5k.train_labels.bincount().tolist() == [400] * 10
    assert mnist5k.held_out_labels.bincount().tolist() == [100] * 10
    assert mnist5k.train_labels.dtype == mnist5k.held_out_labels.dtype == torch.int64
    assert mnist5k.train_images.max() == 255


def test_mnist5k_has_no_image_twice(mnist5k):
    train, held_out = images_of(mnist5k)
    assert len({*train, *held_out}) == 5_000


def test_mnist5k_is_the_same_every_time(mnist5k):
    state = torch.get_rng_state()
    again = load_dataset("mnist5k")
    for part in ("train_images", "train_labels", "held_out_images", "held_out_labels"):
        assert torch.equal(getattr(again, part), getattr(mnist5k, part))
    assert again.config() == mnist5k.config()
    assert torch.equal(torch.get_rng_state(), state)


def test_mnist5k_classes_are_mixed(mnist5k):
    assert len(mnist5k.train_labels[:100].unique()) == 10


def test_all_pixel_values_survive_the_signed_range():
    values = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    signed = to_signed_range(values)
    assert signed.dtype == torch.float32
    assert (signed.min(), signed.max()) == (-1, 1)
    assert torch.equal(to_uint8(signed), values)
    assert torch.equal(values.flatten(), torch.arange(256, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("value", "pixel"),
    [(-1e9, 0), (-1.01, 0), (-1, 0), (0, 128), (1, 255), (1.01, 255), (1e9, 255)],
)
def test_values_outside_the_signed_range_are_clipped(value, pixel):
    images = torch.full((1, 1, 2, 2), float(value))
    assert to_uint8(images).unique().tolist() == [pixel]
    assert images.unique().tolist() == [float(np.float32(value))]


def test_fingerprint_follows_images_and_labels(tiny_dataset):
    config = tiny_dataset.config()
    assert (config.image_size, config.channels, config.num_classes) == (8, 1, 3)
    for part in ("train_images", "train_labels"):
        changed = getattr(tiny_dataset, part).clone()
        changed[0] = (changed[0] + 1) % 3
        other = type(tiny_dataset)(**{**vars(tiny_dataset), part: changed}).config()
        assert other.fingerprint != config.fingerprint


def test_pixel_statistics_are_those_of_the_training_images(tiny_dataset):
    images = to_signed_range(tiny_dataset.train_images).double()
    config = tiny_dataset.config()
    assert config.pixel_mean == pytest.approx(images.mean().item(), abs=6e-5)
    assert config.pixel_std == pytest.approx(images.std(correction=0).item(), abs=6e-5)


@pytest.mark.parametrize(("channels", "shape"), [(1, (1, 8, 8)), (3, (3, 8, 8))])
def test_folder_is_read_in_its_colours(tmp_path, channels, shape):
    dataset = load_dataset(f"folder:{write_folder(tmp_path, channels=channels)}")
    assert dataset.train_images.shape[1:] == dataset.held_out_images.shape[1:] == shape
    assert dataset.train_images.dtype == torch.uint8
    assert len(dataset.train_images) + len(dataset.held_out_images) == 60
    assert 1 <= len(dataset.held_out_images) <= 15
    assert dataset.class_names == ("class0", "class1")
    assert dataset.config().channels == channels
    # Each picture is where it belongs, pixel by pixel, under its label.
    generator = np.random.default_rng(0)
    shape = (8, 8) if channels == 1 else (8, 8, 3)
    written = {}
    for i in range(60):
        pixels = generator.integers(0, 256, shape, dtype=np.uint8)
        written[np.atleast_3d(pixels).transpose(2, 0, 1).tobytes()] = i % 2
    train, held_out = images_of(dataset)
    labels = torch.cat([dataset.train_labels, dataset.held_out_labels]).tolist()
    assert dict(zip(train + held_out, labels, strict=True)) == written


def test_one_colour_picture_makes_the_folder_colour(tmp_path):
    write_folder(tmp_path)
    write_image(tmp_path / "class1" / "z.ppm", np.full((8, 8, 3), [255, 0, 7], dtype=np.uint8))
    dataset = load_dataset(f"folder:{tmp_path}")
    images = torch.cat([dataset.train_images, dataset.held_out_images])
    assert images.shape == (61, 3, 8, 8)
    is_grey = (images == images[:, :1]).all(dim=(1, 2, 3))
    assert is_grey.sum() == 60


@pytest.mark.parametrize("mode", ["LA", "I;16"])
def test_grey_pictures_of_other_depths_keep_their_greys(tmp_path, mode):
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    picture = Image.fromarray(grey)
    if mode == "I;16":
        picture = Image.fromarray(grey.astype(np.uint16) * 257)
        assert picture.mode == "I;16"
    write_folder(tmp_path)
    picture = picture if mode == "I;16" else picture.convert(mode)
    picture.save(tmp_path / "class0" / "deep.png")
    dataset, refusal = loaded_or_refused(f"folder:{tmp_path}")
    if dataset is None:  # to refuse it by name is as good
        assert "deep.png" in refusal
        return
    images = torch.cat([dataset.train_images, dataset.held_out_images])
    assert (images == torch.from_numpy(grey)).all(dim=(1, 2, 3)).sum() == 1


def test_picture_of_another_size_is_refused_by_name(tmp_path):
    write_folder(tmp_path)
    odd = tmp_path / "class1" / "odd.pgm"
    write_image(odd, np.zeros((8, 9), dtype=np.uint8))
    with pytest.raises(DataUnavailable, match="one size for all") as error:
        load_dataset(f"folder:{tmp_path}")
    assert str(odd) in str(error.value)


def test_pictures_that_are_not_square_are_refused(tmp_path):
    dataset = load_dataset(f"folder:{write_folder(tmp_path, size=(8, 6))}")
    with pytest.raises(DataUnavailable, match="6x8 pixels; allowed: square ones"):
        dataset.config()


def test_copies_of_a_picture_are_on_one_side(tmp_path):
    write_folder(tmp_path)
    for path in sorted(tmp_path.glob("*/*.pgm")):
        for copy in range(3):
            other = f"class{(int(path.stem) + copy) % 2}"
            (tmp_path / other / f"{copy}-{path.name}").write_bytes(path.read_bytes())
    train, held_out = images_of(load_dataset(f"folder:{tmp_path}"))
    assert len(train) + len(held_out) == 240
    assert not set(train) & set(held_out)
    assert set(held_out)


def test_renamed_and_added_pictures_leave_the_others_on_their_side(tmp_path):
    name = f"folder:{write_folder(tmp_path)}"
    train, held_out = map(set, images_of(load_dataset(name)))
    for path in sorted(tmp_path.glob("*/*.pgm")):
        path.rename(path.with_name(f"{100 - int(path.stem)}-renamed.pgm"))
    write_folder(tmp_path, seed=1, count=20)
    more_train, more_held_out = map(set, images_of(load_dataset(name)))
    assert train < more_train
    assert held_out <= more_held_out
    assert len(more_train) + len(more_held_out) == 80


@pytest.mark.parametrize("content", [b"", b"not a picture", b"P5 8 8 255\n\0\0\0"])
def test_broken_picture_is_refused_by_name(tmp_path, content):
    write_folder(tmp_path)
    broken = tmp_path / "class0" / "broken.pgm"
    broken.write_bytes(content)
    with pytest.raises(DataUnavailable, match="cannot be read") as error:
        load_dataset(f"folder:{tmp_path}")
    assert str(broken) in str(error.value)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "ppm", "tif", "webp"])
def test_damaged_picture_is_read_or_refused_by_name(tmp_path, suffix):
    generator = np.random.default_rng(5)
    pixels = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    damaged = tmp_path / "class0" / f"damaged.{suffix}"
    damaged.parent.mkdir()
    Image.fromarray(pixels).save(damaged)
    content = damaged.read_bytes()
    for position in generator.integers(0, len(content), 60):
        changed = bytearray(content)
        changed[position] ^= int(generator.integers(1, 256))
        damaged.write_bytes(changed)
        with pytest.raises(DataUnavailable) as error:  # one image is too few, if it is read
            load_dataset(f"folder:{tmp_path}")
        assert "too few to hold any out" in str(error.value) or str(damaged) in str(error.value)


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(DataUnavailable, match="no folder of class folders") as error:
        load_dataset(f"folder:{tmp_path / 'none'}")
    assert str(tmp_path / "none") in str(error.value)


def test_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(DataUnavailable, match="folder:"):
        load_dataset(f"folder:{tmp_path}")
    (tmp_path / "class0").mkdir()
    (tmp_path / "class0" / "notes.txt").write_text("none here")
    with pytest.raises(DataUnavailable, match="class0"):
        load_dataset(f"folder:{tmp_path}")


def test_folder_with_too_few_pictures_is_refused(tmp_path):
    with pytest.raises(DataUnavailable, match="has 1 images; too few to hold any out"):
        load_dataset(f"folder:{write_folder(tmp_path, count=1)}")


def test_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(
        DataUnavailable, match=r"'minst' \(did you mean 'mnist'\?\); allowed: mnist5k, "
    ):
        load_dataset("minst")


@pytest.mark.parametrize("name", TORCHVISION_NAMES)
@pytest.mark.parametrize("folder", [None, ""])
def test_no_folder_for_torchvision_data_says_how_to_give_one(name, folder, monkeypatch):
    monkeypatch.delenv(DATA_DIR_VARIABLE, raising=False)
    if folder is not None:
        monkeypatch.setenv(DATA_DIR_VARIABLE, folder)
    with pytest.raises(DataUnavailable, match=name) as error:
        load_dataset(name)
    assert "--data-dir" in str(error.value)
    assert "$PARETODIFF_DATA" in str(error.value)


@pytest.mark.parametrize("name", TORCHVISION_NAMES)
def test_empty_folder_for_torchvision_data_says_how_to_fill_it(name, tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path))
    for data_dir in (None, tmp_path):
        with pytest.raises(DataUnavailable, match="--download") as error:
            load_dataset(name, data_dir)
        assert name in str(error.value)
        assert str(tmp_path) in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")]
)
def test_files_in_mnists_format_are_read(tmp_path, name, folder):
    write_mnist(tmp_path, folder)
    dataset = load_dataset(name, tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 28, 28), dtype=np.uint8)
    assert torch.equal(dataset.train_images, torch.from_numpy(pixels)[:, None])
    assert dataset.held_out_images.shape == (20, 1, 28, 28)
    assert dataset.train_labels.tolist() == list(range(10)) * 3
    assert dataset.held_out_labels.dtype == torch.int64
    assert len(dataset.class_names) == 10


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"<html>404 Not Found</html>", bytes([0, 0, 8, 3]), bytes([0, 0, 10, 3] * 8)],
    ids=["empty", "one byte", "html", "header only", "other type"],
)
def test_damaged_mnist_file_is_refused(tmp_path, content):
    (write_mnist(tmp_path) / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(DataUnavailable, match="dataset 'mnist' cannot be read in"):
        load_dataset("mnist", tmp_path)


def test_truncated_mnist_file_is_refused(tmp_path):
    path = write_mnist(tmp_path) / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataUnavailable, match="dataset 'mnist' cannot be read in"):
        load_dataset("mnist", tmp_path)


@pytest.mark.parametrize("folder", ["MNIST", "FashionMNIST"])
@pytest.mark.parametrize(
    ("file", "shape", "value", "message"),
    [
        ("train-labels-idx1-ubyte", (29,), 1, "has 30 train images, but 29 labels of them"),
        ("train-labels-idx1-ubyte", (31,), 1, "has 30 train images, but 31 labels of them"),
        ("t10k-images-idx3-ubyte", (19, 28, 28), 1, "has 19 held-out images, but 20 labels"),
        ("train-labels-idx1-ubyte", (30,), 10, "has label 10 among its train labels; allowed: 0"),
        ("t10k-labels-idx1-ubyte", (20,), 255, "has label 255 among its held-out labels"),
        ("t10k-images-idx3-ubyte", (20, 32, 32), 1, "has held-out images of another size than"),
    ],
)
def test_mnist_files_that_do_not_go_together_are_refused(
    tmp_path, folder, file, shape, value, message
):
    write_idx(write_mnist(tmp_path, folder) / file, np.full(shape, value, dtype=np.uint8))
    name = {"MNIST": "mnist", "FashionMNIST": "fashion-mnist"}[folder]
    with pytest.raises(DataUnavailable) as error:
        load_dataset(name, tmp_path)
    assert f"dataset '{name}' in {tmp_path} {message}" in str(error.value)


def test_mnist_files_of_another_type_are_refused(tmp_path):
    signed = bytes([0, 0, 9, 1, 0, 0, 0, 30, *[1] * 30])
    (write_mnist(tmp_path) / "train-labels-idx1-ubyte").write_bytes(signed)
    with pytest.raises(DataUnavailable, match=r"cannot be read in .* torch\.uint8 instead of"):
        load_dataset("mnist", tmp_path)


@pytest.mark.parametrize("name", TORCHVISION_NAMES)
def test_files_too_long_for_torchvisions_are_refused_before_they_are_read(tmp_path, name):
    path = tmp_path / TORCHVISION_FOLDERS[name] / "file"
    path.parent.mkdir(parents=True)
    path.touch()
    os.truncate(path, MAX_FILE_BYTES + 1)  # a hole: it takes no disk
    with pytest.raises(DataUnavailable, match="has 134,217,729 bytes; allowed: up to 134,217,728"):
        load_dataset(name, tmp_path)


class MakesAFolder:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_nothing_in_a_data_folder_is_unpickled(tmp_path):
    write_mnist(tmp_path)
    for name in ("training.pt", "test.pt"):  # torchvision reads these before all others
        path = tmp_path / "MNIST" / "processed" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pickle.dumps(MakesAFolder(tmp_path / "ran"), protocol=2))
    dataset, refusal = loaded_or_refused("mnist", tmp_path)
    assert dataset is not None or "dataset 'mnist' cannot be read in" in refusal
    assert not (tmp_path / "ran").exists()


def test_mnist_has_60000_and_10000_digits():
    if not os.environ.get(DATA_DIR_VARIABLE):
        pytest.skip(f"${DATA_DIR_VARIABLE} names no folder with MNIST")
    mnist = load_dataset("mnist")
    assert mnist.train_images.shape == (60_000, 1, 28, 28)
    assert mnist.held_out_images.shape == (10_000, 1, 28, 28)
    assert mnist.train_labels.bincount().tolist()[:2] == [5_923, 6_742]


def test_mnist_is_read_from_its_raw_files_whatever_lies_beside_them(tmp_path):
    write_mnist(tmp_path)
    expected = load_dataset("mnist", tmp_path)
    processed = tmp_path / "MNIST" / "processed"
    processed.mkdir()
    for name in ("training.pt", "test.pt"):
        zeros = torch.zeros(12, 28, 28, dtype=torch.uint8), torch.zeros(12, dtype=torch.int64)
        torch.save(zeros, processed / name)
    dataset = load_dataset("mnist", tmp_path)
    assert dataset.config() == expected.config()
    assert images_of(dataset) == images_of(expected)


@pytest.mark.parametrize("name", ["mnist5k", "cifar10", "folder:", "nope", ""])
def test_a_name_without_a_path_is_whole(name):
    assert resolve_name(name) == name


@pytest.mark.parametrize("given", ["photos", "./photos", "other/../photos", "~/photos"])
def test_a_folder_s_name_has_its_whole_path(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve_name(f"folder:{given}") == f"folder:{tmp_path / 'photos'}"
    assert resolve_name(f"folder:{tmp_path / 'photos'}") == f"folder:{tmp_path / 'photos'}"
