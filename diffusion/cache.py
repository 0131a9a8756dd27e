"""Where files are kept that cost time to get again, such as downloaded weights."""

import os
from pathlib import Path

from diffusion.files import whole_path

CACHE_VARIABLE = "PARETODIFF_CACHE"


def cache_dir() -> Path:
    """Return the cache's folder, without making it.

    `$PARETODIFF_CACHE`, else `$XDG_CACHE_HOME/paretodiff`, else `~/.cache/paretodiff`; a variable
    that is empty counts as unset, as in the XDG Base Directory Specification.
    """
    if ours := os.environ.get(CACHE_VARIABLE):
        return whole_path(ours)
    shared = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return whole_path(shared) / "paretodiff"
