"""Where a search's command line asks for its study to be kept."""

import os

from diffusion.errors import one_line
from study.run.database import check_reachable
from study.run.database_url import VARIABLE, check_url
from study.run.settings import RunSettings


def storage_choice(given: str | None, resumed: RunSettings | None = None) -> str | None:
    """Return the URL of a study's database, which was reached; None for a journal.

    Args:
        given: on the command line; None for what the run has, or the environment of a new one.
        resumed: the settings of a run that is gone on with. Its database may have moved.

    Raises:
        ValueError: the URL is none, holds a secret, or is of a run whose study is in a journal.
        OSError: the database cannot be reached.
    """
    url = None if given is None else check_url(given, "--storage")
    if resumed is not None:
        if url is not None and resumed.storage is None:
            raise ValueError(
                one_line(f"--storage is {url}, but the run has a journal; allowed: without it")
            )
        url = url or resumed.storage
    elif url is None and (variable := os.environ.get(VARIABLE)):
        url = check_url(variable, f"${VARIABLE}", with_password=True)
    if url is not None:
        check_reachable(url)
    return url
