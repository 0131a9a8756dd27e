"""A mirror is brought to any machine whole; what is newer there, or has gone on apart, stays."""

import json
from pathlib import Path

import pytest
from small_mirror import LINE, contents, mirror_of, mirrored, write

from study.run.fetching import fetch
from study.run.folder import exclusive
from study.run.mirror_state import STATE
from study.run.remote import Remote, Unreachable


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A working folder whose mirror is `store` beside it."""
    mirrored(tmp_path / "run", tmp_path / "store")
    return tmp_path / "run"


def fetched(store: Path, folder: Path) -> Path:
    fetch(Remote(f"file://{store}"), folder, print)
    return folder


def go_on(folder: Path, store: Path, number: int) -> None:
    """End another trial in a working folder, and mirror that."""
    journal = (folder / "study.journal").read_bytes()
    write(folder, {f"trials/{number}/model.pdm": b"m", "study.journal": journal + LINE})
    mirror = mirror_of(folder, store)
    mirror.note_ended([number])
    mirror.begin(new=False)
    mirror.end()
    assert mirror.complete


def test_another_head_gets_all_and_its_mirror_goes_on(run: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    other = fetched(store, tmp_path / "other")
    assert contents(other) == contents(run)
    go_on(other, store, 7)
    assert contents(store) == contents(other)


def test_a_folder_as_new_as_its_mirror_or_newer_stays(run: Path, tmp_path: Path) -> None:
    write(run, {"verified.json": b"newer", "study.journal": 3 * LINE})
    before = contents(run)
    fetched(tmp_path / "store", run)
    assert contents(run) == before


def test_a_folder_newer_than_what_another_head_left_stays(run: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    other = fetched(store, tmp_path / "other")
    mirror_of(other, store).begin(new=False)  # which ends no trial
    write(run, {"study.journal": 3 * LINE})
    before = contents(run)
    fetched(store, run)
    go_on(run, store, 8)
    assert before.items() <= {**contents(run), "study.journal": 3 * LINE}.items()


def test_an_older_folder_is_brought_up_to_what_another_head_did(run: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    go_on(fetched(store, tmp_path / "other"), store, 7)
    fetched(store, run)
    assert contents(run) == contents(tmp_path / "other")


def test_a_folder_that_has_gone_on_apart_is_refused(run: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    go_on(fetched(store, tmp_path / "other"), store, 7)
    write(run, {"study.journal": 2 * LINE + b'{"op_code": 1}\n'})
    before = contents(run)
    with pytest.raises(ValueError, match="have gone on apart; allowed: one of the two"):
        fetched(store, run)
    assert contents(run) == before


def test_a_download_that_was_cut_off_begins_again(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other, read = tmp_path / "store", tmp_path / "other", Remote.read

    def cut_off(remote: Remote, name: str) -> bytes | None:
        if name == "trials/0/scores.json":
            raise Unreachable("cut off")
        return read(remote, name)

    with monkeypatch.context() as patch:
        patch.setattr(Remote, "read", cut_off)
        with pytest.raises(Unreachable, match="cut off"):
            fetched(store, other)
    assert json.loads((other / STATE).read_text())["writer"] is None
    assert not (other / "study.journal").exists()
    assert contents(fetched(store, other)) == contents(run)


def test_an_object_that_comes_in_part_is_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, read = tmp_path / "store", Remote.read

    def cut(remote: Remote, name: str) -> bytes | None:
        content = read(remote, name)
        return content if content is None or name != "trials/0/model.pdm" else content[:-1]

    monkeypatch.setattr(Remote, "read", cut)
    with pytest.raises(Unreachable, match="came with 4 bytes; allowed: its 5 bytes"):
        fetched(store, tmp_path / "other")
    assert run.exists()


@pytest.mark.usefixtures("run")
def test_an_object_out_of_the_run_or_hidden_is_not_written(tmp_path: Path) -> None:
    store = tmp_path / "store"
    write(store, {".mark": b"x", "trials/.hidden/a": b"x", "study.journal.lock": b"x"})
    fetched(store, tmp_path / "other")
    names = {path.name for path in (tmp_path / "other").rglob("*")}
    assert not names & {".mark", ".hidden", "study.journal.lock", "mirror.json"}


def test_what_is_no_copy_of_the_run_is_refused(run: Path, tmp_path: Path) -> None:
    write(tmp_path / "mine", {"thesis.tex": b""})
    with pytest.raises(ValueError, match=r"mine is no copy of .*; allowed: another --work-dir"):
        fetched(tmp_path / "store", tmp_path / "mine")
    with pytest.raises(ValueError, match=r"is no run of a study: it has no run\.json"):
        fetched(tmp_path / "nothing", tmp_path / "other")
    assert not (tmp_path / "other").exists()
    assert run.exists()


def test_a_folder_in_use_is_not_written_to(run: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    go_on(fetched(store, tmp_path / "other"), store, 7)
    with exclusive(run), pytest.raises(ValueError, match="is in use by another process"):
        fetched(store, run)


def test_an_emptied_mirror_is_filled_again(run: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.rename(tmp_path / "gone")
    fetched(store, run)
    go_on(run, store, 7)
    assert contents(store) == contents(run)
