"""A run's mark: only who sees its very folder passes."""

import os
from pathlib import Path

import pytest

from study.run.mark import MARK, MARK_BYTES, FolderUnseen, check_mark, mark, read_mark


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
