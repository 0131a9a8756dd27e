"""URLs of databases, as a run's settings hold them: absolute, and without any secret.

The password of a database is the business of whoever runs the command: of libpq's own places, or
of an environment variable that has the whole URL. SQLAlchemy takes a fifth of a second to import:
only where a study is in a database.
"""

import os
import re
from typing import TYPE_CHECKING

from diffusion.errors import one_line
from diffusion.files import whole_path

if TYPE_CHECKING:
    from sqlalchemy import URL

VARIABLE = "PARETODIFF_STORAGE"  # has a URL in place of --storage, whose password it may hold
LIKE = "like postgresql+psycopg://USER@HOST/DATABASE or sqlite:////PATH"
# Names of what a URL may hold behind its question mark, but not here.
SECRET = re.compile("pass(?!file)|pwd|secret|token|odbc_connect", re.IGNORECASE)


def check_url(text: str, name: str = "storage", *, with_password: bool = False) -> str:
    """Return a database's URL without its password, a file's absolute.

    Args:
        text: that shall be one. No message holds it, since it may hold a secret.
        name: what a message calls it.
        with_password: whether it may hold one.

    Raises:
        ValueError: it is none, is of no kind that can keep a study, or holds a secret.
    """
    url = _parsed(text, name)
    if any(map(SECRET.search, url.query)) or (url.password is not None and not with_password):
        raise ValueError(
            f"{name} has a password in its URL; allowed: a URL without, and the password in "
            f"$PGPASSWORD or ~/.pgpass, or the URL with it before the @ in ${VARIABLE} in place "
            "of --storage"
        )
    _check_dialect(url, name)
    database = url.database
    if url.get_backend_name() == "sqlite":
        if not database or database == ":memory:" or database.startswith("file:"):
            raise ValueError(f"{name} is no file of SQLite's; allowed: sqlite:////PATH")
        database = str(whole_path(database))
    # A password is left out, which `set` cannot do.
    address = (url.drivername, url.username, None, url.host, url.port, database, url.query)
    return str(type(url).create(*address).render_as_string(hide_password=False))


def whole_url(url: str) -> "URL":
    """Return a URL with the password that the environment's variable has for that database.

    Raises:
        ValueError: the variable has no URL of a database.
    """
    given = os.environ.get(VARIABLE)
    if given and check_url(given, f"${VARIABLE}", with_password=True) == url:
        return _parsed(given, f"${VARIABLE}")
    return _parsed(url, "storage")


def _parsed(text: str, name: str) -> "URL":
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    refused = ValueError(f"{name} is no URL of a database; allowed: {LIKE}")
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise refused from None  # without its cause, which may say what the text holds
    if "@" in (url.host or ""):  # the end of a password that was not quoted
        raise refused
    return url


def _check_dialect(url: "URL", name: str) -> None:
    """Refuse what SQLAlchemy does not know, and drivers that Optuna cannot use."""
    from sqlalchemy.exc import ArgumentError

    try:
        is_async = url.get_dialect().is_async
    except ArgumentError as error:
        raise ValueError(
            one_line(f"{name} is of an unknown kind, {url.drivername!r}; allowed: {LIKE}")
        ) from error
    if is_async:
        raise ValueError(
            one_line(f"{name} is of an asynchronous driver, {url.drivername!r}; allowed: {LIKE}")
        )
