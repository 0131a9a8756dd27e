"""The archive: what else a ZIP could hold is refused, and a bomb takes no memory."""

import os
import stat
import tracemalloc
import zipfile
import zlib

import pytest
from repacking import CONTENT, HEADER, check_refusal, members, same_model, write_members

from diffusion.compress.archive import (
    END,
    LEAST_PADDING,
    PADDING,
    PADDING_ID,
    open_members,
    pack_members,
)
from diffusion.compress.limits import MAX_FILE_BYTES
from diffusion.compress.package import read_package, write_package
from diffusion.errors import PackageError

MIB = 2**20
CENTRAL = b"PK\x01\x02"
INFLATED_SIZE_AT = 24  # In an entry of the directory.


@pytest.fixture
def package(tmp_path, tiny_recipe, tiny_network):
    path = tmp_path / "model.pdm"
    write_package(path, tiny_recipe, tiny_network)
    return path


def refusal(path):
    with pytest.raises(PackageError, match="cannot be read") as error:
        read_package(path)
    check_refusal(error.value)
    return str(error.value)


def with_bytes(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


def with_entries(change):
    """Return a change of an archive that writes its entries anew, each changed."""

    def changed(path):
        contents = members(path)
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in contents.items():
                member = zipfile.ZipInfo(name)
                change(member)
                archive.writestr(member, content)

    return changed


def by_method(method):
    return lambda path: write_members(path, members(path), method)


def as_link(member):
    member.external_attr = (stat.S_IFLNK | 0o777) << 16


def as_folder(member):
    member.filename += "/"


def with_comment(path):
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"remember"


def with_member_again(name):
    def changed(path):
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, b"again")

    return changed


def with_one_name(path):
    contents = members(path)
    write_members(path, {HEADER: contents[HEADER]})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(HEADER, contents[HEADER])


def declaring(more):
    """Return a change that lets the weights declare so many bytes more than they have."""

    def changed(content):
        at = content.rindex(CENTRAL) + INFLATED_SIZE_AT
        size = int.from_bytes(content[at : at + 4], "little") + more
        return content[:at] + size.to_bytes(4, "little") + content[at + 4 :]

    return with_bytes(changed)


MALFORMED = {
    "junk before": (with_bytes(lambda content: b"junk" + content), "does not begin where"),
    "junk after": (with_bytes(lambda content: content + b"\n"), "does not end as"),
    "comment": (with_comment, "does not end as"),
    "bzip2": (by_method(zipfile.ZIP_BZIP2), "compressed by method 12; allowed: 0"),
    "lzma": (by_method(zipfile.ZIP_LZMA), "compressed by method 14; allowed: 0"),
    "a member more": (with_member_again("more.txt"), "has 3 members"),
    "a member again": (with_member_again(CONTENT), "has 3 members"),
    "a member instead": (with_one_name, "has the members"),
    "links": (with_entries(as_link), "is no regular file in the archive"),
    "folders": (with_entries(as_folder), "has the members"),
    "bytes more than declared": (declaring(-1), "bytes that it declares"),
    "bytes less than declared": (declaring(1), "bytes; allowed: at most"),
    "half": (with_bytes(lambda content: content[: len(content) // 2]), "does not end as"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_archives_are_refused(package, case):
    change, message = MALFORMED[case]
    change(package)
    assert message in refusal(package)


@pytest.mark.parametrize("padding", [LEAST_PADDING, 5, 1_000])
def test_padding_is_a_field_that_readers_skip(tmp_path, padding):
    contents = {HEADER: b"{}", CONTENT: b"content"}
    path, plain = tmp_path / "padded", pack_members(contents)
    path.write_bytes(pack_members(contents, padding))
    assert path.stat().st_size == len(plain) + padding
    field = PADDING.pack(PADDING_ID, padding - PADDING.size) + bytes(padding - PADDING.size)
    assert field + contents[CONTENT] in path.read_bytes()
    with open_members(path, 10_000) as read:
        assert {name: read(name, 100) for name in contents} == contents
    with zipfile.ZipFile(path) as archive:
        assert [member.extra for member in archive.infolist()] == [b"", b""]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_stored_and_deflated_members_are_read(package, method):
    original = read_package(package)
    write_members(package, members(package), method)
    assert same_model(read_package(package), original)


def write_bomb(path, name, declared):
    """Let a member inflate to 64 MiB, and declare another size if one is given."""
    contents = members(path)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    deflated = b"".join(packer.compress(bytes(MIB)) for _ in range(64)) + packer.flush()
    contents[name] = deflated
    write_members(path, contents, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    at = content.index(CENTRAL)
    while content[at + 46 : at + 46 + len(name)] != name.encode():
        at = content.index(CENTRAL, at + 1)
    content[at + 10 : at + 12] = zipfile.ZIP_DEFLATED.to_bytes(2, "little")
    content[at + 24 : at + 28] = declared.to_bytes(4, "little")
    path.write_bytes(content)


def most_memory(path):
    """Return the most bytes that Python took while a package was refused."""
    read_package_error = refusal(path)  # what is imported on the way is not counted
    tracemalloc.start()
    try:
        assert refusal(path) == read_package_error
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", [HEADER, CONTENT])
@pytest.mark.parametrize("declared", [64 * MIB, 1_000, 100_000])
def test_bombs_take_no_memory(package, name, declared):
    write_bomb(package, name, declared)
    assert package.stat().st_size < MIB
    assert most_memory(package) < 8 * MIB


def test_many_members_take_no_memory(package):
    content = package.read_bytes()
    at = content.index(CENTRAL)
    entry = content[at : content.index(CENTRAL, at + 1)]
    directory = entry * 60_000
    for entries in (60_000, 2):
        end = END.pack(b"PK\x05\x06", 0, 0, entries, entries, len(directory), at, 0)
        package.write_bytes(content[:at] + directory + end)
        assert most_memory(package) < MIB


def test_a_file_longer_than_any_package_is_not_looked_into(package):
    os.truncate(package, MAX_FILE_BYTES + 1)  # a hole: it takes no disk
    assert f"allowed: at most {MAX_FILE_BYTES}" in refusal(package)


@pytest.mark.parametrize("kind", ["fifo", "device", "folder in a folder", "link to a fifo"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "model.pdm"
    if kind == "folder in a folder":  # a folder's model.pdm is what is read
        (path / "model.pdm").mkdir(parents=True)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(tmp_path / "fifo")
        path.symlink_to("fifo")
    if kind == "fifo":
        path = tmp_path / "fifo"
    assert "it is no regular file" in refusal(path)
