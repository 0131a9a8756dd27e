"""Where a study is kept: on the command line, in the environment, or as the run has it."""

from dataclasses import replace
from pathlib import Path

import pytest

from study.cli.storage_choice import storage_choice
from study.run.database_url import VARIABLE
from study.run.settings import RunSettings


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def test_a_study_is_in_a_journal_unless_told(settings: RunSettings) -> None:
    assert storage_choice(None) is None
    assert storage_choice(None, settings) is None


def test_the_command_line_comes_before_the_environment(
    tmp_path: Path, settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, url(tmp_path / "a.db"))
    assert storage_choice(None) == url(tmp_path / "a.db")
    assert storage_choice(url(tmp_path / "b.db")) == url(tmp_path / "b.db")
    assert storage_choice(None, settings) is None, "a run stays where it is"
    assert list(tmp_path.iterdir()) == [], "what is only looked at is not made"


def test_the_database_of_a_run_may_have_moved_but_a_journal_s_run_has_none(
    tmp_path: Path, settings: RunSettings
) -> None:
    kept = replace(settings, storage=url(tmp_path / "a.db"), study_name="run-0")
    assert storage_choice(None, kept) == url(tmp_path / "a.db")
    assert storage_choice(url(tmp_path / "b.db"), kept) == url(tmp_path / "b.db")
    with pytest.raises(ValueError, match=r"^--storage is sqlite.*, but the run has a journal"):
        storage_choice(url(tmp_path / "b.db"), settings)


def test_a_password_is_refused_on_the_command_line_and_left_out_of_the_environment_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "postgresql+psycopg://me:hidden@127.0.0.1:1/db"
    with pytest.raises(ValueError, match=r"^--storage has a password in its URL; allowed: a URL"):
        storage_choice(secret)
    monkeypatch.setenv(VARIABLE, secret)
    # Nothing listens there, or its driver is missing.
    with pytest.raises(
        (OSError, ValueError), match=r"^database postgresql\+psycopg://me@127\.0\.0\.1:1/db "
    ) as error:
        storage_choice(None)
    assert "hidden" not in str(error.value)
