"""A copy of a run's whole front: its tables, its picture and every model's folder."""

import re
from pathlib import Path

from diffusion.files import write_bytes
from study.display.front_folder import CARD_NAME, TABLES, TRIAL_FILES
from study.display.hub_folder import new_folder
from study.display.own_files import MAX_PICTURE_BYTES, read_own
from study.run.files import MEGABYTE

MAX_TABLE_BYTES = 64 * MEGABYTE
POINT = re.compile(r"\d+-\d+")  # the name of a point's folder: its rank and trial


def copy_front(run_dir: Path, to: Path) -> int:
    """Copy a run's front, aside and then renamed; no link in the run's folder is followed.

    Args:
        run_dir: of the run, which may be at work.
        to: the folder; it is new or empty.

    Returns:
        How many models it has.

    Raises:
        ValueError: there is no front yet, it was written anew meanwhile, or a file of it is a
            link or too large.
    """
    front = run_dir / "front"
    begun = _identity(front)
    names = sorted(path.name for path in front.iterdir() if POINT.fullmatch(path.name))
    with new_folder(to) as aside:
        for table in TABLES:
            _copy(run_dir, front / table, aside / table)
        for name in names:
            (aside / name).mkdir()
            for file in (CARD_NAME, *TRIAL_FILES):
                _copy(run_dir, front / name / file, aside / name / file)
        if _identity(front) != begun:
            raise ValueError(f"{front} was written anew meanwhile; run the command again")
    return len(names)


def _copy(run_dir: Path, source: Path, target: Path) -> None:
    most_bytes = TRIAL_FILES.get(source.name, max(MAX_TABLE_BYTES, MAX_PICTURE_BYTES))
    content = read_own(run_dir, source, most_bytes)
    if content is not None:
        write_bytes(target, content)


def _identity(front: Path) -> tuple[int, int]:
    try:
        found = front.lstat()
    except FileNotFoundError:
        raise ValueError(f"{front} is missing; allowed: a run that has written a front") from None
    return found.st_dev, found.st_ino
