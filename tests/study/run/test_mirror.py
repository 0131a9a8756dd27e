"""A mirror has what is finished, the journal last; its faults are said and harm no run."""

import time
from pathlib import Path

import pytest
from small_mirror import FINISHED, LINE, REST, contents, mirror_of, mirrored, working_folder, write

from study.run import mirror as mirror_module
from study.run import remote as remote_module
from study.run.mirror import mirroring
from study.run.mirror_state import STATE, known_remote
from study.run.remote import Remote, Unreachable


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_module, "WAITS_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(mirror_module, "EVERY_SECONDS", 3_600.0)


def test_what_is_finished_is_mirrored_at_once_and_the_rest_at_the_end(tmp_path: Path) -> None:
    run, store, said = working_folder(tmp_path / "run"), tmp_path / "store", list[str]()
    mirror = mirror_of(run, store, said)
    mirror.begin(new=True)
    assert contents(store) == {**FINISHED, "study.journal": 2 * LINE}
    mirror.end()
    assert contents(store) == {**FINISHED, **REST, "study.journal": 2 * LINE}
    assert mirror.complete
    assert said == [f"mirror   file://{store}", "mirror   6 files still to be copied"]


def test_the_thread_copies_what_ends_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_module, "EVERY_SECONDS", 0.01)
    run, store = working_folder(tmp_path / "run"), tmp_path / "store"
    with mirroring(run, Remote(f"file://{store}"), [0], print, new=True) as mirror:
        assert mirror is not None
        write(run, {"trials/2/model.pdm": b"new", "study.journal": 3 * LINE})
        mirror.note_ended([2])
        while (store / "study.journal").read_bytes() != 3 * LINE:
            time.sleep(0.01)
        assert (store / "trials" / "2" / "model.pdm").read_bytes() == b"new"
        assert not (store / "trials" / "1").exists()
        assert not (store / "report.html").exists()


def test_a_torn_line_of_the_journal_is_not_mirrored(tmp_path: Path) -> None:
    run, store = working_folder(tmp_path / "run"), tmp_path / "store"
    with (run / "study.journal").open("ab") as journal:
        journal.write(b'{"op_co')
    mirror = mirror_of(run, store)
    mirror.begin(new=True)
    mirror.end()
    assert (store / "study.journal").read_bytes() == 2 * LINE


def test_no_journal_is_mirrored_before_the_files_of_the_trials_that_end_in_it(
    tmp_path: Path,
) -> None:
    run, store, said = working_folder(tmp_path / "run"), tmp_path / "store", list[str]()
    mirror = mirror_of(run, store, said)
    mirror.begin(new=True)
    write(run, {"trials/2/model.pdm": b"new", "study.journal": 3 * LINE})
    (store / "trials" / "2").write_text("a file where a folder must be")
    mirror.note_ended([2])
    mirror.end()
    assert not mirror.complete
    assert (store / "study.journal").read_bytes() == 2 * LINE
    assert said[-1].startswith("mirror   incomplete, ")
    assert "NotADirectoryError" in said[-1]
    assert said[-1].endswith(
        f"all of the run is in {run}, and its --resume copies what is missing"
    )

    (store / "trials" / "2").unlink()
    with mirroring(run, known_remote(run), [0, 2], said.append, new=False) as again:
        assert again is not None
    assert again.complete
    assert contents(store) == contents(run)


def test_a_fault_is_said_once_and_changes_nothing_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_module, "EVERY_SECONDS", 0.01)
    run, store, said = working_folder(tmp_path / "run"), tmp_path / "store", list[str]()
    before = contents(run, hidden=True)
    mirror = mirror_of(run, store, said)
    mirror.begin(new=True)
    store.rename(tmp_path / "gone")
    store.write_text("no folder any more")
    while not any("late" in line for line in said):
        time.sleep(0.01)
    mirror.end()
    assert sum("late" in line for line in said) == 1
    assert not mirror.complete
    assert contents(run, hidden=True) == before


def times(folder: Path) -> dict[str, int]:
    """Return when each file of a folder was written."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in paths}


def test_what_did_not_change_is_not_written_again(tmp_path: Path) -> None:
    run, store = tmp_path / "run", tmp_path / "store"
    mirrored(run, store)
    before = times(store)
    write(run, {"report.html": b"r", "front/02-1/model.pdm": b"new"})
    (run / "front" / "01-0" / "model.pdm").unlink()
    with mirroring(run, known_remote(run), [0], print, new=False):
        pass
    names = {name for name, time in times(store).items() if time != before.get(name)}
    assert names == {"mirror.json", "report.html", "front/02-1/model.pdm"}
    assert not (store / "front" / "01-0" / "model.pdm").exists(), "it is on the front no more"


def test_what_the_store_lost_is_copied_again(tmp_path: Path) -> None:
    run, store = tmp_path / "run", tmp_path / "store"
    mirrored(run, store)
    (store / "trials" / "0" / "model.pdm").unlink()
    with mirroring(run, known_remote(run), [0], print, new=False):
        pass
    assert contents(store) == contents(run)


def test_a_mirror_that_another_driver_took_over_is_left_to_it(tmp_path: Path) -> None:
    run, store, said = working_folder(tmp_path / "run"), tmp_path / "store", list[str]()
    mirror = mirror_of(run, store, said)
    mirror.begin(new=True)
    writer = (store / "mirror.json").read_text()
    (store / "mirror.json").write_text(writer.replace('"writer": "', '"writer": "other'))
    mirror.end()
    assert not mirror.complete
    assert "is another driver's now" in said[-1]
    assert not (store / "front").exists()
    with pytest.raises(ValueError, match="was written by another driver since; bring"):
        mirror_of(run, store).begin(new=False)


def test_a_new_run_takes_no_place_that_is_taken(tmp_path: Path) -> None:
    mirrored(tmp_path / "run", tmp_path / "store")
    other = working_folder(tmp_path / "other")
    with pytest.raises(ValueError, match=r"store exists; give another --name, or --resume"):
        mirror_of(other, tmp_path / "store").begin(new=True)


def test_a_store_that_cannot_be_written_is_said_before_anything_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = working_folder(tmp_path / "run")
    with pytest.raises(Unreachable, match="NotADirectoryError"):
        mirror_of(run, tmp_path / "file" / "store").begin(new=True)


def test_a_damaged_state_is_refused_with_what_to_do(tmp_path: Path) -> None:
    run = working_folder(tmp_path / "run")
    assert known_remote(run) is None
    for damage in ("{", "[]", '{"format": 2}', '{"format": 1, "url": "s3://u:p@b", "files": {}}'):
        (run / STATE).write_text(damage)
        with pytest.raises(ValueError, match=r"delete it to go on unmirrored"):
            known_remote(run)
