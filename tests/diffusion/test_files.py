"""Files: on the disk before they have their name, and read only when they are plain ones."""

import errno
import os

import pytest

from diffusion.files import check_out, open_regular, read_bounded, whole_path, write_bytes


def test_content_is_on_the_disk_before_its_name_and_the_name_before_the_return(
    tmp_path, monkeypatch
):
    path, done = tmp_path / "file", []
    fsync, replace = os.fsync, os.replace

    def sync(descriptor):
        inode = os.fstat(descriptor).st_ino
        done.append("folder" if inode == tmp_path.stat().st_ino else f"content {inode}")
        fsync(descriptor)

    def rename(source, target):
        done.append("name")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", rename)
    monkeypatch.setattr(os, "rename", rename)
    write_bytes(path, b"content")
    assert path.read_bytes() == b"content"
    assert done == [f"content {path.stat().st_ino}", "name", "folder"]


def test_a_disk_that_fills_up_while_it_is_written_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as error:
        write_bytes(path, b"new")
    assert error.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_in_the_place_of_what_is_written_aside_leads_nowhere(tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"theirs")
    (tmp_path / f".file.{os.getpid()}").symlink_to(outside)
    write_bytes(tmp_path / "file", b"content")
    assert outside.read_bytes() == b"theirs"
    assert (tmp_path / "file").read_bytes() == b"content"
    assert {path.name for path in tmp_path.iterdir()} == {"file", "outside"}


@pytest.mark.parametrize("through_a_link", [False, True])
def test_regular_files_are_opened(tmp_path, through_a_link):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    if through_a_link:
        path = tmp_path / "link"
        path.symlink_to("file")
    with open_regular(path) as file:
        assert file.read() == b"content"


def test_a_fifo_is_refused_without_waiting_for_its_writer(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    for path in (tmp_path / "fifo", tmp_path, "/dev/zero"):
        with pytest.raises(ValueError, match="it is no regular file"):
            open_regular(path)
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_missing_file_is_an_operating_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "missing")


def test_a_file_is_read_up_to_its_bound_and_no_further(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_bounded(path, 5) == b"12345"
    with pytest.raises(ValueError, match="it has 5 bytes; allowed: up to 4"):
        read_bounded(path, 4)


def test_a_whole_path_is_absolute_and_without_links(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "link").symlink_to("target")
    for given in ("link/x", "./link/../target/x", "~/target/x", tmp_path / "link" / "x"):
        assert whole_path(given) == tmp_path / "target" / "x"


@pytest.mark.parametrize("path", ["loop", "loop/x", "~nobody-of-this-name"])
def test_a_path_that_leads_nowhere_is_refused(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ValueError, match=f"path {path} leads nowhere: "):
        whole_path(path)


def test_a_file_is_written_where_a_file_or_nothing_is(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("missing")
    for name in ("file", "link", "new"):
        check_out(tmp_path / name)
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", "."):
        with pytest.raises(ValueError, match="is no regular file; allowed: a file's name"):
            check_out(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a.csv", "ends otherwise; allowed: a name that ends in .json or .json.gz"),
        (".json", "ends otherwise; allowed: a name that ends in .json or .json.gz"),
        ("no/such/a.json", "is in no folder: .*no/such is none"),
    ],
)
def test_a_file_of_another_name_or_in_no_folder_is_refused_by_its_option(name, why, tmp_path):
    check_out(tmp_path / "a.json.gz", (".json", ".json.gz"))
    with pytest.raises(ValueError, match=f"^--table .*{why}"):
        check_out(tmp_path / name, (".json", ".json.gz"), "--table")
