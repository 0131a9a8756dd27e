"""Folders of images: what would hang, fill the memory or lose something is refused by name."""

import os
import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image
from written_data import write_deep_tiff, write_folder, write_image, write_png

from diffusion import image_files, image_folder
from diffusion.data import load_dataset, resolve_name
from diffusion.errors import DataUnavailable

GREYS = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
COLOURS = np.stack([GREYS, GREYS.T, 255 - GREYS], axis=2)
ORIENTATION = 0x0112


def refusal(path):
    with pytest.raises(DataUnavailable) as error:
        load_dataset(f"folder:{path}")
    line = str(error.value)
    assert len(line) <= 300
    assert line.isprintable()
    return line


def all_images(path):
    dataset = load_dataset(f"folder:{path}")
    return torch.cat([dataset.train_images, dataset.held_out_images])


def in_palette(pixels, colours):
    """Return a picture whose pixels are indices into [n, 3] colours."""
    picture = Image.new("P", pixels.shape[::-1])
    picture.putdata(pixels.flatten().tolist())
    picture.putpalette(np.asarray(colours, dtype=np.uint8).flatten().tolist())
    return picture


GREY_PALETTE = [(value, value, value) for value in range(0, 256, 4)]
COLOUR_PALETTE = [(value, 0, 255 - value) for value in range(0, 256, 4)]
INDICES = np.arange(64, dtype=np.uint8).reshape(8, 8)


def turned(picture, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return picture, {"exif": exif}


def half_transparent(pixels):
    picture = Image.fromarray(pixels)
    picture.putalpha(Image.fromarray(GREYS))
    return picture


def transparent_palette():
    return in_palette(INDICES, COLOUR_PALETTE), {"transparency": 3}


def pages(*arrays):
    first, *others = map(Image.fromarray, arrays)
    return first, {"save_all": True, "append_images": others}


LOST = {
    "alpha.png": (lambda: (Image.fromarray(COLOURS).convert("RGBA"), {}), "an alpha channel"),
    "alpha.webp": (lambda: (half_transparent(COLOURS), {}), "an alpha channel"),
    "grey alpha.png": (lambda: (half_transparent(GREYS), {}), "an alpha channel"),
    "transparent.png": (transparent_palette, "or a transparent colour; allowed: neither"),
    "hole.png": (lambda: (Image.fromarray(GREYS), {"transparency": 8}), "a transparent colour"),
    "turned.jpg": (lambda: turned(Image.fromarray(COLOURS), 6), "orientation 6); allowed: 1"),
    "turned.png": (lambda: turned(Image.fromarray(COLOURS), 3), "orientation 3); allowed: 1"),
    "turned.webp": (lambda: turned(Image.fromarray(COLOURS), 8), "orientation 8); allowed: 1"),
    "pages.tif": (lambda: pages(GREYS, GREYS.T), "further pages or frames; allowed: one"),
    "animated.png": (lambda: pages(GREYS, GREYS.T), "further pages or frames; allowed: one"),
    "animated.webp": (lambda: pages(COLOURS, 255 - COLOURS), "further pages or frames"),
    "deep.png": (lambda: (Image.fromarray(GREYS.astype(np.uint16)), {}), "mode I;16; allowed: 8"),
    "palette.png": (lambda: (in_palette(INDICES, COLOUR_PALETTE), {}), "allowed: greys, or RGB"),
}


@pytest.mark.parametrize("name", LOST)
def test_what_would_be_lost_is_refused_by_name(tmp_path, name):
    write_folder(tmp_path)
    make, message = LOST[name]
    picture, options = make()
    picture.save(tmp_path / "class0" / name, **options)
    line = refusal(tmp_path)
    assert f"class0/{name} " in line
    assert message in line


def write_deep(path, most):
    """Write 8x8 colours in 16 bits each, as a format of the path's suffix has them."""
    if path.suffix == ".png":
        write_png(path, 8, bytes(8 * (1 + 8 * 6)), bits=16, colour_type=2)
    elif path.suffix == ".ppm":
        path.write_bytes(f"P6 8 8 {most}\n".encode() + bytes(8 * 8 * 6))
    else:
        write_deep_tiff(path, 8)


@pytest.mark.parametrize("name", ["deep.png", "deep.ppm", "deep.tif"])
@pytest.mark.parametrize("most", [256, 65_535])
def test_colours_of_more_than_8_bits_are_refused_by_name(tmp_path, name, most):
    write_folder(tmp_path, channels=3)
    write_deep(tmp_path / "class0" / name, most)
    line = refusal(tmp_path)
    assert f"class0/{name} cannot be read: its colours have more than 8 bits" in line


@pytest.mark.parametrize("most", [7, 254, 255])
def test_colours_of_8_bits_or_fewer_are_read(tmp_path, most):
    write_folder(tmp_path, channels=3)
    (tmp_path / "class0" / "z.ppm").write_bytes(f"P6 8 8 {most}\n".encode() + bytes(8 * 8 * 3))
    assert len(all_images(tmp_path)) == 61


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("orientation", [0, 1])
def test_pictures_that_stand_upright_are_read(tmp_path, name, orientation):
    write_folder(tmp_path, channels=3)
    picture, options = turned(Image.fromarray(COLOURS), orientation)
    picture.save(tmp_path / "class0" / name, **options)
    assert len(all_images(tmp_path)) == 61


def test_greys_of_a_palette_are_grey(tmp_path):
    write_folder(tmp_path)
    in_palette(INDICES, GREY_PALETTE).save(tmp_path / "class0" / "palette.png")
    images = all_images(tmp_path)
    assert images.shape == (61, 1, 8, 8)
    assert (images == torch.from_numpy(GREYS)).all(dim=(1, 2, 3)).sum() == 1


@pytest.mark.parametrize("channels", [3, "palette"])
def test_colours_of_a_palette_are_read_among_colours(tmp_path, channels):
    write_folder(tmp_path, channels=3)
    if channels == "palette":
        for path in tmp_path.glob("*/*.ppm"):
            colours = COLOUR_PALETTE[int(path.stem) :] + COLOUR_PALETTE[: int(path.stem)]
            in_palette(INDICES, colours).save(path.with_suffix(".png"))
            path.unlink()
    in_palette(INDICES, COLOUR_PALETTE[::-1]).save(tmp_path / "class0" / "palette.png")
    images = all_images(tmp_path)
    assert images.shape == (61, 3, 8, 8)
    expected = torch.tensor(COLOUR_PALETTE[::-1], dtype=torch.uint8).T.reshape(3, 8, 8)
    assert (images == expected).all(dim=(1, 2, 3)).sum() == 1


@pytest.mark.parametrize("kind", ["fifo", "device", "link to a fifo", "broken link", "itself"])
def test_images_that_are_no_regular_files_are_refused_at_once(tmp_path, kind):
    write_folder(tmp_path)
    odd = tmp_path / "class1" / "odd.png"
    if kind == "fifo":
        os.mkfifo(odd)
    elif kind == "link to a fifo":
        os.mkfifo(tmp_path / "class1" / "fifo")
        odd.symlink_to("fifo")
    else:
        target = {"device": "/dev/zero", "broken link": "missing", "itself": "odd.png"}[kind]
        odd.symlink_to(target)
    line = refusal(tmp_path)
    assert str(odd) in line
    if kind == "device":
        assert "leaves the folder; allowed: to images within it" in line


CIRCLES = {
    "to the data set": {"class0/round": ".."},
    "to its class": {"class0/round": "."},
    "as a class": {"round": "."},
    "from one to another": {"class0/over": "../class1", "class1/back": "../class0"},
    "to another class": {"class0/over": "../class1"},
    "as a class again": {"class2": "class1"},
}


@pytest.mark.parametrize("case", CIRCLES)
def test_links_to_folders_within_the_data_set_are_refused(tmp_path, case):
    write_folder(tmp_path)
    for link, target in CIRCLES[case].items():
        (tmp_path / link).symlink_to(target)
    line = refusal(tmp_path)
    assert "leads in a circle or to a folder that is read anyway; allowed: to images" in line
    assert f"link {tmp_path}/" in line


@pytest.mark.parametrize("link", ["class0/out.pgm", "class0/out", "class2"])
def test_links_that_leave_the_folder_are_refused(tmp_path, link):
    write_folder(tmp_path / "data")
    write_folder(tmp_path / "database", seed=1)  # Its name begins with the data set's.
    target = tmp_path / "database" / ("class0/000.pgm" if link.endswith("pgm") else "class0")
    (tmp_path / "data" / link).symlink_to(target)
    line = refusal(tmp_path / "data")
    assert "leaves the folder; allowed: to images within it" in line
    assert f"data/{link} " in line


def test_links_to_images_within_the_folder_and_to_the_folder_are_followed(tmp_path):
    write_folder(tmp_path / "data")
    (tmp_path / "link").symlink_to("data")
    linked, plain = (
        load_dataset(f"folder:{tmp_path}/link"),
        load_dataset(f"folder:{tmp_path}/data"),
    )
    assert linked.config() == plain.config()
    (tmp_path / "data" / "class0" / "more.pgm").symlink_to("../class1/001.pgm")
    assert len(all_images(tmp_path / "link")) == 61


def test_links_that_multiply_are_refused_at_once(tmp_path):
    for level in range(12):
        write_image(tmp_path / f"class{level}" / "x.pgm", GREYS)
        for number in range(8):
            (tmp_path / f"class{level}" / f"{number}").symlink_to(f"../class{level + 1}")
    (tmp_path / "class12").mkdir()
    assert f"link {tmp_path}/class" in refusal(tmp_path)


def test_images_below_a_class_are_in_torchvisions_order(tmp_path):
    from torchvision.datasets.folder import IMG_EXTENSIONS, ImageFolder

    assert image_files.SUFFIXES == IMG_EXTENSIONS
    folders = ["b", "b/z", "b/z/y", "b z", "b-z", "B", "a/b", "a.b", "a"]
    for number, folder in enumerate(folders):
        for name in ("2.pgm", "10.PGM", "1.png.pgm", "notes.txt", ".pgm"):
            write_image(tmp_path / folder / name, np.full((8, 8), number, dtype=np.uint8))
    write_image(tmp_path / "above.pgm", np.zeros((8, 8), dtype=np.uint8))
    classes = image_folder.find_images(tmp_path)
    expected = ImageFolder(str(tmp_path))
    assert list(classes) == expected.classes
    found = [(p, label) for label, name in enumerate(classes) for p in classes[name]]
    assert found == expected.samples


def test_folders_that_lie_too_deep_are_refused(tmp_path):
    write_folder(tmp_path)
    deep = tmp_path.joinpath("class0", *"x" * image_folder.MAX_DEPTH)
    deep.mkdir(parents=True)
    assert "lies too deep; allowed: 16 folders" in refusal(tmp_path)
    deep.rmdir()
    assert len(all_images(tmp_path)) == 60


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    write_folder(tmp_path)
    monkeypatch.setattr(image_folder, "MAX_ENTRIES", 62)  # The images and their folders.
    assert len(all_images(tmp_path)) == 60
    (tmp_path / "class0" / "notes.txt").touch()
    assert "has more files and folders than allowed: 62" in refusal(tmp_path)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("side", [1_025, 13_000, 20_000, 100_000])
def test_large_images_are_refused_before_any_is_decoded(tmp_path, side, monkeypatch):
    (tmp_path / "class0").mkdir()
    for number in range(3):
        write_png(tmp_path / "class0" / f"{number}.png", side, bytes(1_000))
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    line = refusal(tmp_path)
    assert "class0/0.png" in line
    assert "allowed: at most 1024 a side" in line or "exceeds limit" in line


def test_an_odd_last_image_is_refused_before_any_is_decoded(tmp_path, monkeypatch):
    write_folder(tmp_path)
    write_image(tmp_path / "class1" / "z.pgm", np.zeros((9, 8), dtype=np.uint8))
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    assert "z.pgm is 8x9 pixels, but 000.pgm is 8x8; allowed: one size" in refusal(tmp_path)


def test_too_large_sets_are_refused_before_they_take_memory(tmp_path, monkeypatch):
    write_folder(tmp_path, channels=3)
    monkeypatch.setattr(image_files, "MAX_BYTES", 60 * 3 * 64)
    assert len(all_images(tmp_path)) == 60
    monkeypatch.setattr(image_files, "MAX_BYTES", 60 * 3 * 64 - 1)
    monkeypatch.setattr(torch, "empty", lambda *given, **names: pytest.fail("allocated"))
    assert "60 images of 8x8 pixels take 11520 bytes; allowed: at most 11519" in refusal(tmp_path)


def test_long_files_are_refused_before_they_are_read(tmp_path):
    write_folder(tmp_path)
    path = tmp_path / "class0" / "long.pgm"
    write_image(path, GREYS)
    os.truncate(path, image_files.MAX_FILE_BYTES + 1)  # a hole: it takes no disk
    tracemalloc.start()
    try:
        assert "long.pgm cannot be read: it has 67108865 bytes" in refusal(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_refusals_of_long_names_are_short(tmp_path):
    folder = tmp_path / ("d" * 200) / ("e" * 200)
    write_folder(folder)
    (folder / "class0" / ("f" * 200 + ".png")).write_bytes(b"\n\x1b[31m")
    assert "cannot be read: " in refusal(folder)
    assert "is no folder" in refusal(folder / "missing\nline")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("mnist5k", "mnist5k"),
        ("minst", "minst"),
        ("folder:", "folder:"),
        ("folder:.", "folder:{here}"),
        ("folder:some/./x/../relative", "folder:{here}/some/relative"),
        ("folder:~/images", "folder:{here}/images"),
        ("folder:/absolute/path/", "folder:/absolute/path"),
        ("folder:link/inner", "folder:{here}/target/inner"),
    ],
)
def test_names_of_data_sets_have_one_form(given, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "link").symlink_to("target")
    name = resolve_name(given)
    assert name == expected.format(here=tmp_path)
    assert resolve_name(name) == name


def test_a_data_set_has_its_resolved_name(tmp_path, monkeypatch):
    write_folder(tmp_path / "images")
    monkeypatch.chdir(tmp_path)
    dataset = load_dataset("folder:images")
    assert dataset.name == resolve_name("folder:images") == f"folder:{tmp_path}/images"


@pytest.mark.parametrize("name", ["folder:a\0b", "folder:~nobody-of-this-name/x", "folder:loop"])
def test_names_that_lead_nowhere_are_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DataUnavailable, match="folder:") as error:
        load_dataset(name)
    assert str(error.value).isprintable()
