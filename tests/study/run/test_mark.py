"""A run's mark: only who sees its very folder passes."""

import os
from pathlib import Path

import pytest

from study.run.mark import (
    MARK,
    MARK_BYTES,
    FolderUnseen,
    TakenOver,
    check_driver,
    check_mark,
    mark,
    read_mark,
)


def test_who_sees_the_folder_passes_and_who_sees_another_does_not(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "other").mkdir()
    text = mark(tmp_path / "run")
    check_mark(tmp_path / "run", text)
    assert read_mark(tmp_path / "run") == text
    mark(tmp_path / "other")
    for unseen in ("other", "missing"):
        with pytest.raises(FolderUnseen, match=rf"does not see \S+{unseen}; allowed: a folder on"):
            check_mark(tmp_path / unseen, text)


def test_each_driver_leaves_a_mark_of_its_own(tmp_path: Path) -> None:
    first, second = mark(tmp_path), mark(tmp_path)
    assert len({first, second}) == 2
    check_mark(tmp_path, second)
    with pytest.raises(FolderUnseen):
        check_mark(tmp_path, first)


def test_a_later_driver_of_the_same_run_is_noticed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "other").mkdir()
    first = mark(tmp_path / "run")
    check_driver(tmp_path / "run", first)
    mark(tmp_path / "other")
    for unseen in ("other", "missing"):  # maybe but for a moment
        check_driver(tmp_path / unseen, first)
    second, third = mark(tmp_path / "run"), mark(tmp_path / "run")
    for earlier, number in ((first, 1), (second, 2)):
        with pytest.raises(
            TakenOver, match=rf"driver {number} of \S+run was followed by driver 3"
        ):
            check_driver(tmp_path / "run", earlier)
    check_driver(tmp_path / "run", third)


@pytest.mark.parametrize("text", ["", "of an older version", "ff-x", "\xff", "f" * 32 + "-"])
def test_a_mark_that_was_altered_is_followed_by_a_new_one(text: str, tmp_path: Path) -> None:
    (tmp_path / MARK).write_text(text, encoding="latin-1")
    check_mark(tmp_path, mark(tmp_path))


@pytest.mark.parametrize("kind", ["long", "fifo", "link"])
def test_what_stands_in_a_marks_place_is_none(kind: str, tmp_path: Path) -> None:
    text = mark(tmp_path)
    path = tmp_path / MARK
    path.rename(tmp_path / "aside")
    if kind == "long":
        path.write_text(text + "x" * MARK_BYTES)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "aside")
    assert read_mark(tmp_path) is None
    with pytest.raises(FolderUnseen):
        check_mark(tmp_path, text)
