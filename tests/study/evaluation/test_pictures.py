"""Pictures of generated images appear whole, as a grid row by row."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from study.evaluation import pictures
from study.evaluation.pictures import grid_columns, save_grid

IMAGES = torch.arange(3, dtype=torch.uint8).mul(100).reshape(3, 1, 1, 1).expand(3, 1, 4, 4)


def test_images_lie_row_by_row_on_grey(tmp_path: Path) -> None:
    save_grid(IMAGES, 2, tmp_path / "grid.png", zoom=1)
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.format == "PNG"
        assert picture.size == (2 * 6 + 2, 2 * 6 + 2)
        grey = picture.convert("L")
        assert [grey.getpixel(place) for place in ((3, 3), (9, 3), (3, 9), (0, 0))] == [
            *(0, 100, 200),
            128,
        ]


def test_a_picture_replaces_a_link_and_is_written_aside(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("mine")
    (tmp_path / "grid.png").symlink_to(tmp_path / "outside")
    save_grid(IMAGES, 2, tmp_path / "grid.png")
    assert (tmp_path / "outside").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"grid.png", "outside"}


def test_a_full_disk_leaves_no_half_of_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pictures, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        save_grid(IMAGES, 2, tmp_path / "grid.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("labels", "num_classes", "columns"),
    [
        ([0, 1, 2, 0, 1], 3, 3),
        ([2, 2, 2, 2, 2], 3, 3),
        ([2] * 10, 3, 4),
        ([0] * 9, 1, 3),
        (list(range(25)), 25, 5),
        ([0], 10, 10),
        ([], 10, 10),
    ],
)
def test_classes_in_turn_have_a_column_each_and_others_a_square(
    labels: list[int], num_classes: int, columns: int
) -> None:
    asked = torch.tensor(labels, dtype=torch.int64)
    assert grid_columns(asked, num_classes) == columns
