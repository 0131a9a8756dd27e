"""The journal's file: what is added at once is read back before, and is there after."""

import itertools
from contextlib import nullcontext
from pathlib import Path

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from study.run.journal_file import Journal, JournalFile

OPEN = {"study_name": "study", "load_if_exists": True}


def study(path: Path) -> optuna.Study:
    return optuna.create_study(storage=Journal(path), **OPEN)


def as_optuna_reads(path: Path) -> list[tuple[TrialState, dict[str, object], list[float] | None]]:
    stock = JournalStorage(JournalFileBackend(str(path)))
    trials = optuna.load_study(study_name="study", storage=stock).trials
    return [(t.state, {**t.params, **t.user_attrs}, t.values) for t in trials]


def run_trial(into: optuna.Study, number: int) -> None:
    trial = into.ask()
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr("number", number)
    into.tell(trial, number)


def test_what_is_added_at_once_is_seen_at_once_and_written_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    study(path)
    storage = Journal(path)
    ours = optuna.load_study(study_name="study", storage=storage)
    before = path.read_bytes()
    with storage.at_once():
        run_trial(ours, 0)
        assert [trial.values for trial in ours.trials] == [[0.0]]
        with storage.at_once():  # one within another is part of it
            run_trial(ours, 1)
        assert path.read_bytes() == before
    assert [values for *_, values in as_optuna_reads(path)] == [[0.0], [1.0]]
    assert path.read_bytes().startswith(before)


@settings(max_examples=20, deadline=None)
@given(blocks=st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=6))
def test_the_file_holds_the_same_however_its_lines_were_added(
    blocks: list[tuple[bool, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("journals")
    study(folder / "ours")
    storage, numbers = Journal(folder / "ours"), itertools.count()
    ours = optuna.load_study(study_name="study", storage=storage)
    for together, count in blocks:
        with storage.at_once() if together else nullcontext():
            for _ in range(count):
                run_trial(ours, next(numbers))
    known = [(t.state, {**t.params, **t.user_attrs}, t.values) for t in ours.trials]
    assert len(known) == sum(count for _, count in blocks)
    assert as_optuna_reads(folder / "ours") == known
    assert as_optuna_reads(folder / "ours") == [
        (t.state, {**t.params, **t.user_attrs}, t.values) for t in study(folder / "ours").trials
    ]


def test_what_was_added_before_an_error_is_written(tmp_path: Path) -> None:
    study(tmp_path / "journal")
    storage = Journal(tmp_path / "journal")
    ours = optuna.load_study(study_name="study", storage=storage)

    def interrupt() -> None:
        with storage.at_once():
            run_trial(ours, 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert len(as_optuna_reads(tmp_path / "journal")) == 1


def test_a_file_is_not_read_from_its_beginning_again(tmp_path: Path) -> None:
    journal = JournalFile(tmp_path / "journal")
    journal.append_logs([{"op_code": number} for number in range(100)])
    assert len(list(journal.read_logs(0))) == 100
    with journal.at_once():
        journal.append_logs([{"op_code": 100}])
        assert list(journal.read_logs(100)) == [{"op_code": 100}]
    # Whoever read all of it would meet the damage.
    content = (tmp_path / "journal").read_bytes()
    (tmp_path / "journal").write_bytes(b"x" + content[1:])
    journal.append_logs([{"op_code": 101}])
    assert list(journal.read_logs(101)) == [{"op_code": 101}]


def test_a_file_that_cannot_be_written_is_an_error_at_the_end(tmp_path: Path) -> None:
    journal = JournalFile(tmp_path / "journal")
    (tmp_path / "journal").unlink()
    (tmp_path / "journal").mkdir()
    with pytest.raises(OSError, match="directory"), journal.at_once():
        journal.append_logs([{"op_code": 0}])
