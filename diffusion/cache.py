"""Where files are kept that cost time to get again, such as downloaded weights."""

import os
from pathlib import Path

CACHE_VARIABLE = "PARETODIFF_CACHE"


def cache_dir() -> Path:
    """Return the cache's folder, without making it.

    `$PARETODIFF_CACHE`, else `$XDG_CACHE_HOME/paretodiff`, else `~/.cache/paretodiff`; a variable
    that is empty counts as unset, as in the XDG Base Directory Specification.
    """
    if ours := os.environ.get(CACHE_VARIABLE):
        return Path(ours).expanduser().resolve()
    shared = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(shared).expanduser().resolve() / "paretodiff"
