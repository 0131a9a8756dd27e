"""A database's URL is one that can keep a study, is absolute, and holds no secret."""

import os
from pathlib import Path

import pytest

from study.run.database_url import VARIABLE, check_url, whole_url

SECRET = "hidden"
NO_URL = "storage is no URL of a database; allowed: like postgresql+psycopg://"
PASSWORD = "storage has a password in its URL; allowed: a URL without, and the password in $PGPASS"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://me@host/db",
        "postgresql://host:5433/db",
        "postgresql+psycopg://me@/db?host=%2Fvar%2Frun%2Fpostgresql",
        "postgresql://me%40home@host/db?connect_timeout=3&passfile=%2Fhome%2Fme%2F.pgpass",
        "mysql+pymysql://me@[::1]:3306/db",
        "sqlite:////tmp/study.db",
    ],
)
def test_what_holds_no_secret_stays_as_it_is(url: str) -> None:
    assert check_url(url) == url
    assert check_url(check_url(url)) == url


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", NO_URL),
        ("study.journal", NO_URL),
        (f"postgresql:/me:{SECRET}@host/db", NO_URL),
        (f"postgresql://me:{SECRET}@host:port/db", NO_URL),
        (f"postgresql://me:{SECRET}@rest@host/db", NO_URL),
        (f"postgresql://me:{SECRET}@host/db", PASSWORD),
        ("postgresql://me:@host/db", PASSWORD),
        (f"postgresql://me:{SECRET}/x?y#z@host/db", PASSWORD),
        (f"postgresql://me@host/db?password={SECRET}", PASSWORD),
        (f"postgresql://me@host/db?sslmode=require&sslpassword={SECRET}", PASSWORD),
        (f"mysql://me@host/db?passwd={SECRET}", PASSWORD),
        (f"mssql+pyodbc:///?odbc_connect=DRIVER=x;PWD={SECRET}", PASSWORD),
        ("etcd://host/db", "storage is of an unknown kind, 'etcd'; allowed: like postgresql"),
        ("postgresql+asyncpg://host/db", "storage is of an asynchronous driver, 'postgresql+asy"),
        ("sqlite://", "storage is no file of SQLite's; allowed: sqlite:////PATH"),
        ("sqlite:///:memory:", "storage is no file of SQLite's; allowed: sqlite:////PATH"),
        ("sqlite:///file:x?mode=memory&uri=true", "storage is no file of SQLite's"),
    ],
)
def test_what_cannot_keep_a_study_or_holds_a_secret_is_refused_without_showing_it(
    text: str, message: str
) -> None:
    with pytest.raises(ValueError, match="allowed: ") as error:
        check_url(text)
    assert message in str(error.value)
    assert SECRET not in repr(error.value)
    assert error.value.__cause__ is None or SECRET not in str(error.value.__cause__)


def test_a_file_of_sqlite_s_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "away").symlink_to("data")
    assert check_url("sqlite:///study.db") == f"sqlite:///{tmp_path}/study.db"
    assert check_url("sqlite:///away/study.db") == f"sqlite:///{tmp_path}/data/study.db"


def test_the_environment_s_url_gives_its_password_to_that_database_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, f"postgresql://me:{SECRET}@host/db?sslmode=require")
    url = check_url(os.environ[VARIABLE], with_password=True)
    assert url == "postgresql://me@host/db?sslmode=require"
    assert whole_url(url).password == SECRET
    for other in ("postgresql://me@host/db", "postgresql://you@host/db?sslmode=require"):
        assert whole_url(other).password is None
        assert whole_url(other).render_as_string() == other


def test_an_environment_s_url_that_is_none_is_said_without_showing_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, f"me:{SECRET}@host")
    with pytest.raises(ValueError, match=r"^\$PARETODIFF_STORAGE is no URL of a da") as error:
        whole_url("postgresql://me@host/db")
    assert SECRET not in str(error.value)
