"""A front is copied whole, as it was at one moment, and nothing from elsewhere."""

from pathlib import Path

import pytest

from study.display import front_copy
from study.display.front_copy import copy_front
from study.display.own_files import read_own


@pytest.fixture
def run(tmp_path: Path) -> Path:
    point = tmp_path / "run" / "front" / "01-7"
    point.mkdir(parents=True)
    (point / "model.pdm").write_bytes(b"package")
    (point / "README.md").write_text("card")
    (point / "core").write_text("not ours")
    (point.parent / "front.csv").write_text("rank")
    (point.parent / "other").mkdir()
    return tmp_path / "run"


def test_only_tables_and_the_files_of_points_are_copied(run: Path, tmp_path: Path) -> None:
    assert copy_front(run, tmp_path / "to") == 1
    found = {p.relative_to(tmp_path / "to").as_posix() for p in (tmp_path / "to").rglob("*")}
    assert found == {"01-7", "01-7/model.pdm", "01-7/README.md", "front.csv"}


@pytest.mark.parametrize("linked", ["front", "front/01-7", "front/01-7/README.md"])
def test_a_link_is_refused_and_leaves_nothing(linked: str, run: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    path = run / linked
    path.rename(tmp_path / "outside" / path.name)
    path.symlink_to(tmp_path / "outside" / path.name)
    with pytest.raises(ValueError, match=r"is a link; allowed"):
        copy_front(run, tmp_path / "to")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["outside", "run"]


def test_a_front_that_is_written_anew_meanwhile_is_not_copied_by_halves(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def renewing(folder: Path, path: Path, max_bytes: int) -> bytes | None:
        content = read_own(folder, path, max_bytes)
        if path.name == "model.pdm":
            (run / "front").rename(run / ".front.old")
            (run / "front").mkdir()
        return content

    monkeypatch.setattr(front_copy, "read_own", renewing)
    with pytest.raises(ValueError, match=r"front was written anew meanwhile; run the command ag"):
        copy_front(run, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_run_without_a_front_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"front is missing; allowed: a run that has written a"):
        copy_front(tmp_path, tmp_path / "to")
