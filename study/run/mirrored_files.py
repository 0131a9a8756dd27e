"""Which files of a run's folder are mirrored: those that are finished, in the order to copy them.

The journal is copied apart from them. What is hidden is somebody's scratch, links are no files of
ours, and the dashboard's pictures are second names of those in the trials' folders. The report, of
megabytes, is written many times while the study runs, and finished when that ends.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from study.run.folder import JOURNAL_NAME, REPORT_NAME
from study.run.for_dashboard import ARTIFACTS
from study.run.key_folder import CHECKPOINT, RECORD
from study.run.mirror_state import Stamp

NEVER = {JOURNAL_NAME, f"{JOURNAL_NAME}.lock"}
CHECKPOINTS = CHECKPOINT.partition(".")[0]  # how all their names begin


def all_files(run_dir: Path) -> list[str]:
    """Return what is mirrored of a run that nobody works on, as paths from its folder on."""
    return _ordered(_names(run_dir, run_dir))


def finished_files(run_dir: Path, trials: Collection[int]) -> list[str]:
    """Return what is mirrored of a run that is worked on, as paths from its folder on.

    Args:
        run_dir: the run's folder.
        trials: that have ended.
    """
    own = (path for path in run_dir.iterdir() if _is_plain(path) and path.is_file())
    names = [path.name for path in own if path.name != REPORT_NAME]
    for number in sorted(trials):
        names += _names(run_dir, run_dir / "trials" / str(number))
    trained = _names(run_dir, run_dir / "backbones")
    names += (name for name in trained if not Path(name).name.startswith(CHECKPOINTS))
    return _ordered(names)


def stamp(path: Path) -> Stamp | None:
    """Return what tells a file from what it was; None where it is gone."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_size, found.st_mtime_ns


def _names(run_dir: Path, folder: Path) -> Iterator[str]:
    """Yield the files in a folder and in those in it; what vanishes meanwhile is passed over."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(n for n in folders if not n.startswith(".") and n != ARTIFACTS)
        for path in map(Path(root).joinpath, sorted(files)):
            if _is_plain(path) and path.is_file():
                yield path.relative_to(run_dir).as_posix()


def _is_plain(path: Path) -> bool:
    return not path.name.startswith(".") and not path.is_symlink()


def _ordered(names: Iterable[str]) -> list[str]:
    """Put records last: one may name snapshots, which are there before it."""
    kept = [name for name in names if name not in NEVER]
    return sorted(kept, key=lambda name: (name.endswith(f"/{RECORD}"), name))
