"""A study in a database in place of a journal: connecting to it, and what can be wrong with it.

The driver alone writes it, as it does a journal. What breaks on the way to a database is an
OSError of one line, as of a file that cannot be written; no line holds a password.
"""

import functools
import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, RDBStorage, get_storage

from diffusion.errors import one_line
from study.run.database_url import check_url, whole_url

if TYPE_CHECKING:
    from sqlalchemy import URL
    from sqlalchemy.engine import ExceptionContext

SQLITE = "sqlite"
LONGEST_SAID = 130  # by a driver, of a line that may end with how to go on
# Connections are given up where nothing answers, and those that a server closed are made anew.
ENGINE: dict[str, Any] = {
    "pool_size": 2,  # Optuna opens a second one where it checks the tables' version
    "pool_pre_ping": True,
    "hide_parameters": True,
}
CONNECT_SECONDS = 5
TABLES_SECONDS = 2.0  # Within which others have made their tables.
LIBPQ = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds
}
MYSQL = {"connect_timeout": CONNECT_SECONDS, "read_timeout": 30, "write_timeout": 30}
ARGUMENTS: dict[str, dict[str, int]] = {
    **{"psycopg": LIBPQ, "psycopg2": LIBPQ},
    **{"pymysql": MYSQL, "mysqldb": MYSQL},
    "pysqlite": {"timeout": 10},  # for which a locked file is waited for
}
# What is to be installed for a module, where that has another name.
PACKAGES = {
    "psycopg": "'paretodiff[postgresql]'",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
}


@dataclass(frozen=True)
class Database:
    """Where the study of a run is that has no journal.

    Attributes:
        url: of the database, without a password.
        study_name: of the run's study in it, which may hold others.
    """

    url: str
    study_name: str

    def __str__(self) -> str:
        return f"study {self.study_name} in {self.url}"


def new_study_name(run_dir: Path) -> str:
    """Return a name for the study of a new run, which no other run's has."""
    return f"{run_dir.name}-{secrets.token_hex(4)}"


def check_database(url: str | None, study_name: str | None) -> None:
    """Refuse a URL and a study's name of a run that are not as we write them.

    Raises:
        ValueError: the URL is none or holds a secret, or there is one of the two.
    """
    if url is not None:
        check_url(url)
    if (url is None) != (study_name is None):
        raise ValueError(f"study_name is {study_name!r}; allowed: one where there is a storage")


def connect(database: Database, *, begin: bool) -> BaseStorage:
    """Open the storage in a database.

    Args:
        database: that is wanted.
        begin: whether its tables, or a file of SQLite's, are made where there are none.

    Raises:
        ValueError: its driver is not installed, or its tables are another version's.
        OSError: it cannot be reached, or has no tables.
    """
    from sqlalchemy import event

    url = _whole_url(database.url, begin=begin)
    # What it says of broken connections, with where in its code, is raised as well.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    # Optuna would fill in what is in braces.
    text = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
    with _saying(database.url, url.password):
        storage = _open(text, _engine_arguments(url), begin=begin)
    say = functools.partial(_halt, database.url, url.password)
    event.listen(storage.engine, "handle_error", say)
    return get_storage(storage)


def check_reachable(url: str) -> None:
    """Refuse a database that cannot be read now; a file of SQLite's may be yet to be made.

    Raises:
        ValueError: its driver is not installed, or there is no folder for its file.
        OSError: it cannot be reached.
    """
    from sqlalchemy import create_engine, inspect

    whole = _whole_url(url, begin=True)
    if whole.get_backend_name() == SQLITE and not Path(str(whole.database)).exists():
        return
    with _saying(url, whole.password):
        engine = create_engine(whole, **_engine_arguments(whole))
        try:
            inspect(engine).has_table("studies")
        finally:
            engine.dispose()


def _whole_url(url: str, *, begin: bool) -> "URL":
    """Return what is connected to; a file of SQLite's is looked at before anything makes it."""
    whole = whole_url(url)
    if whole.get_backend_name() == SQLITE:
        file = Path(str(whole.database))
        if file.exists() and not file.is_file():
            raise ValueError(one_line(f"database {url} is no regular file"))
        if not file.exists() and not begin:
            raise OSError(one_line(f"database {url} is missing"))
        if not file.parent.is_dir():
            raise ValueError(one_line(f"database {url} cannot be: {file.parent} is no folder"))
    return whole


def _open(text: str, arguments: dict[str, Any], *, begin: bool) -> RDBStorage:
    """Open Optuna's storage; where another study makes its tables just now, a second time."""
    from sqlalchemy.exc import DBAPIError

    make = functools.partial(RDBStorage, text, arguments, skip_table_creation=not begin)
    try:
        return make()
    except DBAPIError:
        if not begin:
            raise
        time.sleep(TABLES_SECONDS)
        return make()


def _engine_arguments(url: "URL") -> dict[str, Any]:
    """Return how a database is connected to, but for what its URL says itself."""
    arguments = ARGUMENTS.get(url.get_dialect().driver, {})
    own = {name: value for name, value in arguments.items() if name not in url.query}
    return {**ENGINE, "connect_args": own}


@contextmanager
def _saying(url: str, password: str | None) -> Iterator[None]:
    """Say in one line what SQLAlchemy and Optuna raise where a database is opened."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except ImportError as error:
        # Optuna's own error hides which module is missing.
        module = str(getattr(error.__cause__ or error, "name", None))
        package = PACKAGES.get(module, module.lower())
        raise ValueError(
            one_line(f"database {url} needs module {module}; to have it: pip install {package}")
        ) from error
    except (SQLAlchemyError, OptunaError) as error:
        raise _fault(url, password, error) from error
    except RuntimeError as error:  # tables of another version of Optuna's
        raise ValueError(one_line(f"database {url} cannot be read ({error})")) from error


def _halt(url: str, password: str | None, context: "ExceptionContext") -> None:
    """Turn what breaks on the way to a database, and what it refuses, into an OSError."""
    from sqlalchemy.exc import IntegrityError

    error = context.sqlalchemy_exception
    # A connection that is found closed is made anew, and Optuna itself hears of what exists.
    if error is not None and not context.is_pre_ping and not isinstance(error, IntegrityError):
        raise _fault(url, password, error)


def _fault(url: str, password: str | None, error: Exception) -> OSError:
    """Return what is wrong with a database, as its driver says it."""
    cause = error.__cause__ if isinstance(error, OptunaError) else error
    said = str(getattr(cause, "orig", None) or cause or error).strip()
    said = said.partition("\n")[0]  # further lines of libpq's are advice
    if password:
        said = said.replace(password, "***")
    return OSError(one_line(f"database {url} cannot be used ({one_line(said, LONGEST_SAID)})"))
