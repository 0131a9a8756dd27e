"""A store is used by the version that wrote it, and no other folder is taken for one."""

import json
import shutil
from pathlib import Path

import pytest

from study.run.key_folder import FORMAT_VERSION, RECORD
from study.run.stores import MARKER, check_store, open_store

KEY = "0123456789abcdef"


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def write_record(root: Path, text: str) -> None:
    (root / KEY).mkdir(parents=True, exist_ok=True)
    (root / KEY / RECORD).write_text(text)


@pytest.mark.parametrize("exists", [False, True])
def test_a_new_or_empty_folder_becomes_a_store_of_this_version(
    tmp_path: Path, exists: bool
) -> None:
    root = tmp_path / "a" / "store"
    if exists:
        root.mkdir(parents=True)
    check_store(root)
    assert root.exists() == exists, "a check writes nothing"
    open_store(root)
    assert json.loads((root / MARKER).read_text()) == {"format": FORMAT_VERSION}
    assert [path.name for path in root.iterdir()] == [MARKER]
    before = contents(root)
    open_store(root)
    assert contents(root) == before


@pytest.mark.parametrize(
    "record",
    [
        f'{{"format": {FORMAT_VERSION}, "snapshots": {{}}}}',
        "torn of",  # the store sets it aside itself
        None,  # in training for the first time
    ],
)
def test_backbones_without_a_marker_are_a_store(tmp_path: Path, record: str | None) -> None:
    if record is None:
        (tmp_path / KEY).mkdir()
    else:
        write_record(tmp_path, record)
    (tmp_path / ".left-aside").mkdir()
    before = contents(tmp_path)
    open_store(tmp_path)
    shutil.move(tmp_path / MARKER, tmp_path.parent / MARKER)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", [MARKER, f"{KEY}/{RECORD}"])
@pytest.mark.parametrize("found", [FORMAT_VERSION + 1, 0, "two"])
def test_another_versions_store_is_refused_and_stays_as_it_is(
    tmp_path: Path, name: str, found: object
) -> None:
    write_record(tmp_path, f'{{"format": {FORMAT_VERSION}, "snapshots": {{}}}}')
    (tmp_path / name).write_text(json.dumps({"format": found}))
    before = contents(tmp_path)
    message = rf"{name} has format {found!r}; allowed: {FORMAT_VERSION}\. Leave the store to the"
    with pytest.raises(ValueError, match=message):
        open_store(tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["thesis.tex", "photos/cat.png", "0123/record.json"])
def test_a_folder_of_other_things_is_refused_and_stays_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match=f"folder {tmp_path} is no store of trainings: it holds"):
        open_store(tmp_path)
    assert contents(tmp_path) == {name: b"mine"}


def test_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(ValueError, match=f"store {file} is a file; allowed: a folder"):
        open_store(file)
    assert file.read_text() == "mine"


@pytest.mark.parametrize("target", ["elsewhere", "missing"])
def test_a_link_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / target)
    with pytest.raises(ValueError, match=f"store {tmp_path / 'store'} is a link; allowed: a fo"):
        open_store(tmp_path / "store")
    assert list((tmp_path / "elsewhere").iterdir()) == []
