"""The formats of run.json: what each of them has that those before it lack."""

import reprlib
from pathlib import Path
from typing import Any

from diffusion.errors import one_line
from study.run.files import read_json

FORMAT_VERSION = 13
# What each format has that those before it lack.
NEW: dict[int, dict[str, Any]] = {
    5: {"address": None},
    6: {"space_edition": 1},
    7: {"backbones": []},
    8: {"space_sha256": None},
    9: {"concurrent_trials_asked": None},
    10: {"storage": None, "study_name": None},
    11: {"loggers": [], "tracking_id": None},
    12: {"precision": None, "drawing_precision": None},
    FORMAT_VERSION: {"compiles": False},
}
OLDEST_VERSION = min(NEW) - 1


def read_settings(path: Path) -> dict[str, Any]:
    """Return the values of a run.json, with what its format lacks.

    Raises:
        ValueError: it is missing or none, or of a version that is not read.
    """
    try:
        values = read_json(path)
    except (OSError, ValueError) as error:
        raise ValueError(
            one_line(f"{path.parent} is no run of a study: {path} cannot be read ({error})")
        ) from error
    if not isinstance(values, dict) or "format" not in values:
        raise ValueError(f"{path.parent} is no run of a study: {path} has no format of ours")
    found = values["format"]
    readable = range(OLDEST_VERSION, FORMAT_VERSION + 1)
    if type(found) is not int or found not in readable:
        allowed = " or ".join(map(str, readable))
        raise ValueError(
            f"{path} has format {reprlib.repr(found)}; allowed: {allowed}. What another version "
            f"wrote is read by that one: {_written_by(values)}"
        )
    lacking = {name: value for n, new in NEW.items() if n > found for name, value in new.items()}
    if "concurrent_trials_asked" in lacking:  # they went on with the number that they began with
        lacking["concurrent_trials_asked"] = values.get("concurrent_trials")
    return {**lacking, **values}


def _written_by(values: dict[str, Any]) -> str:
    """Name the version of this project that wrote a run's settings."""
    versions = values.get("versions")
    known = versions.get("paretodiff") if isinstance(versions, dict) else None
    return f"paretodiff {known}"[:40] if isinstance(known, str) else "it names none"
