"""Opening the study's journal: the only file that chooses a storage of Optuna's for it.

It is mended first, and refused where it is not ours or has other settings than those asked for.
"""

from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, InMemoryStorage

from study.results.objectives import OBJECTIVES
from study.run.journal import UNREADABLE, journal_fault, mend_journal
from study.run.journal_file import Journal

STUDY_NAME = "study"


def open_study(path: Path | None, objectives: tuple[str, ...]) -> tuple[BaseStorage, optuna.Study]:
    """Open a journal's study, or begin it where there is none.

    Args:
        path: of the journal; None keeps the study in memory.
        objectives: names of the scores to minimise or maximise.

    Raises:
        ValueError: the file is no journal of ours, or has other objectives.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if path is not None:
        mend_journal(path)
    try:
        storage = _storage(path)
        study = optuna.create_study(
            storage=storage,
            study_name=STUDY_NAME,
            directions=[
                "maximize" if OBJECTIVES[name].maximize else "minimize" for name in objectives
            ],
            load_if_exists=True,
        )
    except UNREADABLE as error:
        raise ValueError(journal_fault(path, error)) from error
    return storage, study


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


def _storage(path: Path | None) -> BaseStorage:
    return InMemoryStorage() if path is None else Journal(path)
