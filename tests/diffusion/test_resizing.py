"""Images of several sizes are brought to one, which the name of the data and so its keys hold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion.data import load_dataset
from diffusion.dataset_names import resolve_name, sized_name, split_size
from diffusion.errors import DataUnavailable
from diffusion.resizing import as_squares


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of colour images, each of another size and of one colour of its own."""
    folder = tmp_path / "photos"
    for i in range(60):
        path = folder / f"class{i % 2}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (20 + i % 7, 40 - i % 5)
        Image.new("RGB", size, (i, 2 * i, 3 * i)).save(path)
    return folder


def test_images_of_several_sizes_are_brought_to_one(photos: Path) -> None:
    dataset = load_dataset(f"16px:folder:{photos}")
    images = torch.cat((dataset.train_images, dataset.held_out_images))
    assert images.shape == (60, 3, 16, 16)
    assert (images == images[:, :, :1, :1]).all(), "what has one colour keeps it"
    assert sorted(images[:, 0, 0, 0].tolist()) == list(range(60))


def test_several_sizes_are_refused_with_the_option_that_resizes(photos: Path) -> None:
    with pytest.raises(DataUnavailable, match="allowed: one size for all, or --image-size 32"):
        load_dataset(f"folder:{photos}")
    for path in photos.glob("*/*.png"):
        Image.new("L", (10, 12), int(path.stem)).save(path)
    with pytest.raises(DataUnavailable, match=r"10x12 pixels; allowed: square ones.*--image-size"):
        load_dataset(f"folder:{photos}").config()


def test_the_size_is_part_of_the_data_and_its_key(tiny_recipe, photos: Path) -> None:
    small, large = (load_dataset(f"{size}px:folder:{photos}").config() for size in (8, 16))
    assert (small.name, small.image_size) == (f"8px:folder:{photos}", 8)
    assert small.fingerprint != large.fingerprint
    keys = {replace(tiny_recipe, data=data).backbone_key for data in (small, large)}
    assert len(keys) == 2
    assert load_dataset(small.name).config() == small, "as a worker reads it again"


def test_resizing_is_antialiased() -> None:
    stripes = torch.tensor([0, 255], dtype=torch.uint8).repeat(1, 32, 16)
    middle = as_squares(stripes, 8)[:, 1:-1, 1:-1]
    assert ((middle > 110) & (middle < 145)).all()


def test_the_middle_of_an_image_is_kept() -> None:
    image = torch.zeros(1, 10, 30, dtype=torch.uint8)
    image[:, :, 10:20] = 200
    assert (as_squares(image, 5) == 200).all()


def test_images_of_the_size_stay_as_they_are() -> None:
    noise = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 3, 9, 9), np.uint8))
    assert torch.equal(as_squares(noise, 9), noise)


def test_an_embedded_data_set_is_resized_too() -> None:
    dataset = load_dataset("14px:mnist5k")
    assert dataset.train_images.shape == (4_000, 1, 14, 14)
    assert dataset.held_out_images.shape == (1_000, 1, 14, 14)
    assert dataset.config().name == "14px:mnist5k"


@pytest.mark.parametrize("name", ["mnist", "folder:/a/b", "folder:/a/32px:b"])
def test_a_size_in_a_name_is_read_back(name: str) -> None:
    assert split_size(name) == (name, None)
    assert split_size(sized_name(name, 32)) == (name, 32)
    assert sized_name(sized_name(name, 32), 32) == f"32px:{name}"
    with pytest.raises(DataUnavailable, match="and --image-size is 64; allowed: one of the two"):
        sized_name(sized_name(name, 32), 64)
    assert resolve_name(f"32px:{name}") == f"32px:{name}"


@pytest.mark.parametrize("name", ["0px:mnist", "1025px:mnist", "999999999px:mnist"])
def test_a_size_out_of_all_bounds_is_refused(name: str) -> None:
    with pytest.raises(DataUnavailable, match="pixels a side; allowed: from 1 to 1024"):
        load_dataset(name)
