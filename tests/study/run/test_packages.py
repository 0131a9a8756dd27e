"""A front holds the files that were scored, and no others."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from small_run import run_of

from study.results.records import TrialRecord
from study.run.packages import HASH, UNSOUND, sound_run, unchecked, unsound
from study.run.run import Run

# FID and size; the last is dominated by the second.
TRIALS = ((30.0, 100), (20.0, 200), (10.0, 300), (25.0, 250))


def package(folder: Path, number: int) -> Path:
    return folder / "trials" / str(number) / "model.pdm"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    records = []
    for number, (fid, size) in enumerate(TRIALS):
        content = f"model {number}".encode()
        package(tmp_path, number).parent.mkdir(parents=True)
        package(tmp_path, number).write_bytes(content)
        scores = {"fid": fid, "size_bytes": size, HASH: hashlib.sha256(content).hexdigest()}
        records.append(TrialRecord(number, "complete", None, scores))
    return run_of(tmp_path, records)


def front(run: Run) -> list[int]:
    return [record.number for record in run.front()]


def swap(folder: Path) -> None:
    first, second = package(folder, 0), package(folder, 1)
    contents = first.read_bytes(), second.read_bytes()
    first.write_bytes(contents[1])
    second.write_bytes(contents[0])


def link(folder: Path) -> None:
    package(folder, 1).rename(folder / "elsewhere")
    package(folder, 1).symlink_to(folder / "elsewhere")


def link_the_folder(folder: Path) -> None:
    package(folder, 1).parent.rename(folder / "elsewhere")
    (folder / "trials" / "1").symlink_to(folder / "elsewhere")


DAMAGE: dict[str, tuple[Callable[[Path], object], list[int], list[int]]] = {
    "swapped": (swap, [0, 1], [3, 2]),
    "truncated to a byte": (lambda f: package(f, 1).write_bytes(b"m"), [1], [0, 3, 2]),
    "a flipped byte": (lambda f: package(f, 1).write_bytes(b"mOdel 1"), [1], [0, 3, 2]),
    "deleted": (lambda f: package(f, 1).unlink(), [1], [0, 3, 2]),
    "a link": (link, [1], [0, 3, 2]),
    "a link to its folder": (link_the_folder, [1], [0, 3, 2]),
    "what was hidden, too": (
        lambda f: [package(f, number).unlink() for number in (1, 3)],
        [1, 3],
        [0, 2],
    ),
    "what no front needs": (lambda f: package(f, 3).unlink(), [], [0, 1, 2]),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_what_is_not_the_scored_file_leaves_the_front_to_what_it_hid(case: str, run: Run) -> None:
    damage, broken, left = DAMAGE[case]
    damage(run.folder)
    sound = sound_run(run)
    assert [record.number for record in unsound(sound)] == broken
    assert all((record.reason or "").startswith(UNSOUND) for record in unsound(sound))
    assert front(sound) == left


def test_a_file_that_is_back_is_on_the_front_again(run: Run) -> None:
    content = package(run.folder, 0).read_bytes()
    package(run.folder, 0).unlink()
    assert front(sound_run(run)) == [1, 2]
    package(run.folder, 0).write_bytes(content)
    assert sound_run(run) == run


def test_models_of_a_version_without_hashes_stay_and_are_counted(run: Run) -> None:
    old = [replace(r, scores={**(r.scores or {})}) for r in run.records]
    for record in old[:2]:
        (record.scores or {}).pop(HASH)
    earlier = run.with_records(old)
    package(run.folder, 0).write_bytes(b"another")
    assert front(sound_run(earlier)) == [0, 1, 2]
    assert unchecked(earlier) == 2
    assert unchecked(run) == 0
