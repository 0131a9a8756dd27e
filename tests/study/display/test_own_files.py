"""A run's own files are read and removed; what a link leads to is neither."""

import os
from pathlib import Path

import pytest

from study.display.own_files import read_own, remove_own


def test_a_file_is_read_whole_and_a_missing_one_is_none(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"content")
    assert read_own(tmp_path, tmp_path / "a" / "file", 7) == b"content"
    assert read_own(tmp_path, tmp_path / "a" / "none", 7) is None
    assert read_own(tmp_path, tmp_path / "b" / "none", 7) is None


def test_a_folder_may_itself_be_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"content")
    (tmp_path / "run").symlink_to("real")
    assert read_own(tmp_path / "run", tmp_path / "run" / "file", 7) == b"content"


def test_a_larger_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with pytest.raises(ValueError, match="has 7 bytes; allowed: at most 6"):
        read_own(tmp_path, tmp_path / "file", 6)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("link", "link is a link; allowed: a regular file"),
        ("dangling", "dangling is a link; allowed: a regular file"),
        ("folder", "folder is a folder; allowed: a regular file"),
        ("fifo", "fifo is no regular file; allowed: a regular file"),
        ("way/file", "way is a link; allowed: a folder"),
        ("file/file", "file is no folder; allowed: a folder"),
    ],
)
def test_what_is_no_plain_file_of_the_folder_is_refused(
    path: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    for file in (tmp_path / "file", tmp_path / "folder" / "file"):
        file.write_bytes(b"content")
    os.mkfifo(tmp_path / "fifo")
    for name, target in (("link", "file"), ("dangling", "none"), ("way", "folder")):
        (tmp_path / name).symlink_to(target)
    with pytest.raises(ValueError, match=reason):
        read_own(tmp_path, tmp_path / path, 7)


@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling", "none"])
def test_what_is_removed_is_gone_and_nothing_else(kind: str, tmp_path: Path) -> None:
    kept, path = tmp_path / "kept", tmp_path / "path"
    kept.mkdir()
    (kept / "file").touch()
    if kind == "file":
        path.touch()
    elif kind == "folder":
        path.mkdir()
        (path / "inner").symlink_to(kept)
    elif kind != "none":
        path.symlink_to(kept if kind == "link" else "nowhere")
    remove_own(path)
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]
    assert [p.name for p in kept.iterdir()] == ["file"]
