"""Samples are tensors to compute with, pictures to look at, and files to keep."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from study.display.samples import Samples


@pytest.fixture
def samples() -> Samples:
    """Six grey images of 8x8 pixels, two of each of three classes in turn."""
    images = torch.arange(6, dtype=torch.uint8)[:, None, None, None].expand(6, 1, 8, 8).clone()
    return Samples(images * 40, torch.arange(6) % 3, ("a", "b", "c"))


def test_each_image_is_a_picture_of_its_own_size(samples: Samples) -> None:
    assert len(samples) == 6
    assert [picture.getpixel((0, 0)) for picture in samples] == [0, 40, 80, 120, 160, 200]
    assert (samples[0].size, samples[0].mode) == ((8, 8), "L")
    colour = Samples(samples.images.repeat(1, 3, 1, 1), samples.labels, samples.class_names)
    assert (colour[5].mode, colour[5].getpixel((3, 3))) == ("RGB", (200, 200, 200))
    assert repr(colour) == "Samples(6 images of 8x8 pixels, colour)"


def test_a_notebook_shows_a_column_a_class(samples: Samples) -> None:
    with Image.open(io.BytesIO(samples._repr_png_())) as picture:
        assert picture.size == (2 * (3 * 10 + 2), 2 * (2 * 10 + 2))
    assert samples.grid(columns=6, zoom=1).size == (62, 12)


def test_what_is_not_in_turn_is_shown_about_as_wide_as_high(samples: Samples) -> None:
    one_class = Samples(samples.images[:5], torch.zeros(5, dtype=torch.int64), ("a", "b"))
    assert one_class.grid(zoom=1).size == (32, 22)


def test_an_archive_holds_images_and_labels(samples: Samples, tmp_path: Path) -> None:
    samples.save(tmp_path / "drawn.npz")
    with np.load(tmp_path / "drawn.npz", allow_pickle=False) as archive:
        assert (archive["images"] == samples.images.numpy()).all()
        assert archive["labels"].tolist() == [0, 1, 2, 0, 1, 2]


def test_a_place_that_cannot_be_written_is_refused(samples: Samples, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.png")
    for name, message in (
        ("grid.jpg", r"ends in \.png or \.npz"),
        ("no/such.png", "no is none"),
        ("fifo.png", "is no regular file"),
    ):
        with pytest.raises(ValueError, match=message):
            samples.save(tmp_path / name)
