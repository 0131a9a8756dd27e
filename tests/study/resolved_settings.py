"""Settings of new and resumed runs for tests, as the search's options make them."""

from study.cli.parser import AUTO
from study.cli.resolve import new_settings, resumed_settings
from study.cli.search_options import build_parser
from study.run.settings import RunSettings

RESOURCES = {
    "cpus_per_trial": 1.0,
    "gpus_per_trial": 0.0,
    "concurrent_trials": 2,
    "threads": 1,
    "device": "cpu",
}


def new(*arguments: str) -> RunSettings:
    """Return the settings of a new run with these options."""
    given = build_parser("").parse_args(arguments)
    wanted = new_settings(given)
    if wanted["drawing_precision"] == AUTO:
        wanted["drawing_precision"] = "bf16"
    return RunSettings(**{**wanted, **RESOURCES})


def resumed(run: RunSettings, *arguments: str) -> RunSettings:
    """Return the settings of a run that is resumed with these options."""
    given = build_parser("").parse_args(["--resume", "run", *arguments])
    wanted = resumed_settings(given, run)
    asked = wanted["concurrent_trials"]
    at_once = {"concurrent_trials": asked or 2, "concurrent_trials_asked": asked}
    return RunSettings(**{**RESOURCES, **wanted, **at_once})
