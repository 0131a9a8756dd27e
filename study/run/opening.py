"""Opening a study where it is kept: in a journal, in a database, or in memory for a replay.

A journal is mended first, and a study is refused that is not ours or has other settings than those
asked for.
"""

from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection

from diffusion.errors import one_line
from study.results.objectives import OBJECTIVES
from study.run.database import Database, connect
from study.run.journal import UNREADABLE, journal_fault, mend_journal
from study.run.journal_file import Journal

STUDY_NAME = "study"  # where it is the only one
Place = Path | Database | None


def open_study(
    place: Place, objectives: tuple[str, ...], *, begin: bool = True
) -> tuple[BaseStorage, optuna.Study]:
    """Open a study, or begin it where there is none.

    Args:
        place: path of its journal, or its database; None keeps it in memory.
        objectives: names of the scores to minimise or maximise.
        begin: whether it is begun in a database that does not have it.

    Raises:
        ValueError: it is none of ours, has other objectives, or is not in its database.
        OSError: its database cannot be reached.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    directions = [
        StudyDirection.MAXIMIZE if OBJECTIVES[name].maximize else StudyDirection.MINIMIZE
        for name in objectives
    ]
    if isinstance(place, Database):
        return _open_in_database(place, directions, begin=begin)
    if place is not None:
        mend_journal(place)
    try:
        storage = _storage(place)
        return storage, _study(storage, STUDY_NAME, directions)
    except UNREADABLE as error:
        raise ValueError(journal_fault(place, error)) from error


def settle(study: optuna.Study, name: str, value: Any, default: Any = None) -> Any:
    """Return what a study has of a name, which is the value where one is given.

    Args:
        study: keeps the value if it has none yet.
        name: of the setting.
        value: that it shall have; None takes what it has.
        default: that it gets where it has none and no value is given.

    Raises:
        ValueError: the study has another value.
    """
    known = study.user_attrs.get(name)
    if known is None:
        known = default if value is None else value
        study.set_user_attr(name, known)
    elif value is not None and known != value:
        raise ValueError(f"{name} are {value}, but the study has {known}; allowed: the same")
    return known


def _open_in_database(
    database: Database, directions: list[StudyDirection], *, begin: bool
) -> tuple[BaseStorage, optuna.Study]:
    storage, name = connect(database, begin=begin), database.study_name
    try:
        study = _find(storage, name)
        if study is None and begin:
            study = _study(storage, name, directions)
        if study is not None:
            study.get_trials(deepcopy=False)  # what cannot be read is said now
    except UNREADABLE as error:
        raise ValueError(
            one_line(f"{database} cannot be read ({type(error).__name__}: {error})")
        ) from error
    if study is None:
        raise ValueError(
            one_line(f"{database} is missing; allowed: the database that the run was begun with")
        )
    return storage, study


def _find(storage: BaseStorage, name: str) -> optuna.Study | None:
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        return None


def _study(storage: BaseStorage, name: str, directions: list[StudyDirection]) -> optuna.Study:
    return optuna.create_study(
        storage=storage, study_name=name, directions=directions, load_if_exists=True
    )


def _storage(path: Path | None) -> BaseStorage:
    return InMemoryStorage() if path is None else Journal(path)


def name_study(place: Place) -> str:
    """Return what a study is called where it is not as we write it."""
    if place is None:
        return "the study in memory"
    return str(place) if isinstance(place, Database) else f"journal {place}"
