"""A study in a database: the same as in a journal, and one line where it cannot be had."""

import re
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.samplers import RandomSampler

from diffusion.recipe import Recipe
from study.run.database import check_reachable, new_study_name
from study.run.folder import JOURNAL_NAME, LOCK_NAME, exclusive, is_in_use
from study.run.opening import Place
from study.run.reading import read_records
from study.run.settings import RunSettings
from study.run.storage import StudyStorage, open_storage
from study.run.trial_attributes import OURS

OBJECTIVES = ("fid", "size_bytes")


@pytest.fixture
def kept(settings: RunSettings, tmp_path: Path) -> RunSettings:
    """The settings of a run whose study is in a file of SQLite's."""
    url = f"sqlite:///{tmp_path}/s.db"
    return replace(settings, storage=url, study_name="run-00000000", limits={"macs": 10.0})


@contextmanager
def altered(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as connection, connection:
        yield connection


def study(place: Place, recipe: Recipe) -> StudyStorage:
    """Return a study of a trial of each end, one that runs and one that waits."""
    storage = StudyStorage(place, OBJECTIVES, {"macs": 10.0})
    storage.enqueue([{"knob": 3}])
    for number in range(4):
        trial = storage.ask(RandomSampler(seed=number))
        trial.suggest_int("knob", 0, 5)
        trial.suggest_float("share", 0.0, 1.0)
        trial.suggest_categorical("kind", ["a", None, 3])
        storage.accept(trial, recipe)
        storage.keep_place(number, "process 12 on large")
        storage.keep_rung(number, 16_000, {"fid": 1 / 3, "trained_images": 16_000})
    storage.complete(0, {"fid": 2 / 3, "size_bytes": 2**40, "macs": 7}, 1.25)
    storage.fail(1, "boom \N{SNOWMAN}", 2.5, 64)
    storage.prune(2, "behind", 3.5)
    storage.refuse(storage.ask(RandomSampler(seed=9)), "groups")
    storage.enqueue([{"knob": 1}])
    return storage


def test_a_database_keeps_what_a_journal_keeps(
    kept: RunSettings, tmp_path: Path, digit_recipe: Recipe
) -> None:
    journal = study(tmp_path / JOURNAL_NAME, digit_recipe)
    database = study(kept.database, digit_recipe)
    again = StudyStorage(kept.database, OBJECTIVES, {"macs": 10.0}, begin=False)
    assert again.records() == database.records()
    for ours, known in zip(again.records(), journal.records(), strict=True):
        times = {"start_time": known.start_time, "end_time": known.end_time}
        assert (ours.end_time is None) == (known.end_time is None)
        assert replace(ours, **times) == known
    for ours, known in zip(again.frozen_trials(), journal.frozen_trials(), strict=True):
        assert list(ours.params.items()) == list(known.params.items())
        assert ours.distributions == known.distributions
        assert (ours.values, ours.constraints) == (known.values, known.constraints)
    assert again.rows_put_in_line() == journal.rows_put_in_line()


def test_runs_share_a_database_under_names_of_their_own(
    kept: RunSettings, tmp_path: Path, digit_recipe: Recipe
) -> None:
    names = {new_study_name(tmp_path / "mine") for _ in range(20)}
    assert len(names) == 20
    assert all(name.startswith("mine-") for name in names)
    study(kept.database, digit_recipe)
    other = replace(kept, study_name=names.pop())
    assert open_storage(tmp_path / "mine", other).records() == []
    assert len(read_records(tmp_path / "run", kept)) == 6


def test_a_run_in_a_database_belongs_to_one_driver_at_a_time(
    kept: RunSettings, tmp_path: Path
) -> None:
    with exclusive(tmp_path, kept.database):
        assert is_in_use(tmp_path, kept.database)
        with (
            pytest.raises(ValueError, match="is in use by another process"),
            exclusive(tmp_path, kept.database),
        ):
            pass
    assert not is_in_use(tmp_path, kept.database)
    assert {path.name for path in tmp_path.iterdir()} == {LOCK_NAME}


def test_readers_make_no_database_and_no_study(kept: RunSettings, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(OSError, match=r"^database sqlite:.*/s\.db is missing$"):
        read_records(run, kept)
    assert list(tmp_path.iterdir()) == []
    StudyStorage(replace(kept, study_name="other").database, OBJECTIVES)
    before = (tmp_path / "s.db").read_bytes()
    with pytest.raises(ValueError, match=r"^study run-00000000 in sqlite:.* is missing; allowed"):
        read_records(run, kept)
    assert (tmp_path / "s.db").read_bytes() == before


def test_a_run_with_trials_begins_no_second_study(kept: RunSettings, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "trials" / "0").mkdir(parents=True)
    with pytest.raises(OSError, match=r"^database sqlite:.*/s\.db is missing$"):
        open_storage(run, kept)
    StudyStorage(replace(kept, study_name="other").database, OBJECTIVES)
    with pytest.raises(ValueError, match="is missing; allowed: the database that the run"):
        open_storage(run, kept)


def test_other_objectives_or_limits_are_refused(kept: RunSettings, digit_recipe: Recipe) -> None:
    study(kept.database, digit_recipe)
    with pytest.raises(ValueError, match="objectives are"):
        StudyStorage(kept.database, ("fid",))
    with pytest.raises(ValueError, match="limits are"):
        StudyStorage(kept.database, OBJECTIVES, {"macs": 11.0})


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("drop table trial_values", "no such table: trial_values"),
        ("drop table version_info", "no such table: version_info"),
        ("update alembic_version set version_num = 'v99'", "is no longer compatible"),
        ("update trials set state = 'LOST'", "'LOST' is not among"),
        ("update trial_user_attributes set value_json = '{'", "JSONDecodeError"),
        (
            f"update trial_system_attributes set value_json = '3' where key = '{OURS}recipe'",
            "trial 0: ",
        ),
    ],
)
def test_an_altered_database_is_said_in_one_line(
    statement: str, message: str, kept: RunSettings, tmp_path: Path, digit_recipe: Recipe
) -> None:
    study(kept.database, digit_recipe)
    with altered(tmp_path / "s.db") as connection:
        connection.execute(statement)
    with pytest.raises((ValueError, OSError), match=f"sqlite:///{tmp_path}/s.db") as error:
        read_records(tmp_path, kept)
    assert message in str(error.value)
    assert str(error.value).isprintable()


def test_what_breaks_while_a_study_goes_on_is_an_error_of_the_system_s(
    kept: RunSettings, tmp_path: Path, digit_recipe: Recipe
) -> None:
    storage = study(kept.database, digit_recipe)
    trial = storage.reopen(3, RandomSampler(seed=0))
    with altered(tmp_path / "s.db") as connection:
        for table in ("trial_user_attributes", "trial_params", "trial_values"):
            connection.execute(f"alter table {table} rename to lost_{table}")
    uses: list[Callable[[], object]] = [
        lambda: storage.keep_place(3, "elsewhere"),
        lambda: storage.complete(3, {"fid": 1.0, "size_bytes": 1, "macs": 1}, 1.0),
        lambda: storage.fail(3, "boom"),
        lambda: trial.suggest_int("other", 0, 1),
        lambda: storage.records(),
    ]
    for use in uses:
        with pytest.raises(OSError, match=r"^database sqlite:.* cannot be used \(no such table"):
            use()
    with altered(tmp_path / "s.db") as connection:
        for table in ("trial_user_attributes", "trial_params", "trial_values"):
            connection.execute(f"alter table lost_{table} rename to {table}")
    storage.complete(3, {"fid": 1.0, "size_bytes": 1, "macs": 1}, 1.0)
    assert storage.record(3).state == "complete"


@pytest.mark.parametrize(
    ("url", "module", "package"),
    [
        ("postgresql+psycopg://host/db", "psycopg", "'paretodiff[postgresql]'"),
        ("postgresql+psycopg2://host/db", "psycopg2", "psycopg2-binary"),
        ("mysql://host/db", "MySQLdb", "mysqlclient"),
        ("mysql+pymysql://host/db", "pymysql", "pymysql"),
    ],
)
def test_a_driver_that_is_not_installed_is_named(
    url: str,
    module: str,
    package: str,
    settings: RunSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    missing = re.escape(f"needs module {module}; to have it: pip install {package}") + "$"
    with pytest.raises(ValueError, match=missing):
        check_reachable(url)
    with pytest.raises(ValueError, match=missing):
        read_records(tmp_path, replace(settings, storage=url, study_name="run-0"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:////no/such/study.db", "cannot be: /no/such is no folder"),
        ("sqlite:////dev/zero", "is no regular file"),
        ("sqlite:////bin/sh", r"cannot be used \(file is not a database\)"),
    ],
)
def test_what_is_no_database_is_refused_before_a_run_begins(url: str, message: str) -> None:
    with pytest.raises((ValueError, OSError), match=f"^database {url} {message}"):
        check_reachable(url)


def test_a_server_that_never_answers_is_given_up(settings: RunSettings, tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        url = f"postgresql+psycopg://me@127.0.0.1:{port}/db"
        begin = time.monotonic()
        with pytest.raises(OSError, match=r"^database postgresql\+psycopg://.* cannot be used \("):
            read_records(tmp_path, replace(settings, storage=url, study_name="run-0"))
        assert time.monotonic() - begin < 60, "it is given up after some seconds"
    with pytest.raises(OSError, match="refused"):
        check_reachable(url)
