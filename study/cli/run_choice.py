"""Which run a search's command line means: a new one, or one that is gone on with."""

import functools
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from study.cli.classifier_training import keep_extractor
from study.cli.places import Place, resumed_place
from study.cli.resolve import new_settings, resumed_settings
from study.cli.search_options import DEFAULT_SPACE
from study.display.console import say
from study.run.database import new_study_name
from study.run.remote import Remote
from study.run.settings import RunSettings


def locate(given: Namespace) -> tuple[Place | None, Remote | None]:
    """Return a new run's place, or the mirror of a resumed one.

    A resumed run is brought up to its mirror, and `resume` is its folder from then on.

    Raises:
        ValueError: no run can lie there, or the resumed one is none.
    """
    if given.resume is None:
        return Place.of(given.out, given.work_dir), None
    tell = functools.partial(say, Console(stderr=True))  # what is printed a program may read
    given.resume, remote = resumed_place(given.resume, given.work_dir, tell)
    return None, remote


def settle(given: Namespace, place: Place | None) -> tuple[Path, dict[str, Any]]:
    """Return the run's folder and all of its settings but its resources.

    Args:
        given: what the command line says.
        place: of a new run.

    Raises:
        ValueError: something is wrong with what was asked for.
    """
    if place is None:
        return given.resume, resumed_settings(given, RunSettings.load(given.resume))
    # Before the space is known to be sound: a name that is taken is said before data is read.
    place.next_dir(given.name, DEFAULT_SPACE)
    settings = new_settings(given)
    if place.remote is not None and settings["storage"] is not None:
        raise ValueError(
            f"--out is {place.remote.url}; allowed: without a database (--storage), since the "
            "copy of a run has its journal"
        )
    return place.next_dir(given.name, settings["space"]), settings


def claim(
    given: Namespace, place: Place, settings: RunSettings
) -> tuple[Path, Remote | None, RunSettings]:
    """Make the folder of a new run, with the classifier that was trained for it.

    Returns:
        The folder, its mirror's place, and the settings with what lies in the folder.

    Raises:
        ValueError: the name is taken or unusable, or nothing can be written there.
    """
    run_dir, remote = place.claim(given.name, settings.space)
    settings = keep_extractor(settings, run_dir, given.extractor)
    if settings.storage is not None:
        settings = replace(settings, study_name=new_study_name(run_dir))
    return run_dir, remote, settings
