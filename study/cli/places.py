"""Where runs lie, as the command line says it: a folder, or a URL whose mirror is worked on here.

A run with a URL is worked on in a folder of its name: in --work-dir, or in the cache.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from diffusion.cache import cache_dir
from diffusion.files import whole_path
from study.run.fetching import fetch
from study.run.folder import claim_run_dir, new_run_dir
from study.run.mirror_state import known_remote
from study.run.remote import Remote

FOLDER_NAME, HASH_DIGITS = "runs", 12


@dataclass(frozen=True)
class Place:
    """Where a new run will lie.

    Attributes:
        folder: of runs, or of the working folders of such as are mirrored.
        remote: what holds the mirrors; None for runs without.
        taken: names of what lies there.
    """

    folder: Path
    remote: Remote | None = None
    taken: tuple[str, ...] = ()

    @classmethod
    def of(cls, out: Path | Remote | None, work_dir: Path | None) -> "Place":
        """Return where an --out is; the object store that a URL names is asked what it holds."""
        if isinstance(out, Remote):
            return cls(_work_dir(out.url, work_dir), out, tuple(out.names()))
        _refuse_work_dir(work_dir)
        return cls(out or Path(FOLDER_NAME))

    def next_dir(self, name: str | None, space: str) -> Path:
        """Return the folder that a new run would have now.

        Raises:
            ValueError: the name is taken or unusable, or nothing can be written there.
        """
        if self.remote is not None and name in self.taken:
            where = f"{self.remote.url}/{name}"
            raise ValueError(f"--name is {name!r}, but {where} exists; use --resume {where}")
        return new_run_dir(self.folder, name, space, self.taken)

    def claim(self, name: str | None, space: str) -> tuple[Path, Remote | None]:
        """Make the folder of a new run; return it and its mirror's place.

        Raises:
            ValueError: the name is taken or unusable, or nothing can be written there.
        """
        run_dir = claim_run_dir(self.folder, name, space, self.taken)
        return run_dir, None if self.remote is None else self.remote / run_dir.name


def resumed_place(
    run: Path | Remote, work_dir: Path | None, say: Callable[[str], None]
) -> tuple[Path, Remote | None]:
    """Return the folder of a run that is gone on with, brought up to its mirror, and that.

    Raises:
        ValueError: the mirror cannot be read, is no run, or has gone on apart from the folder.
    """
    if isinstance(run, Remote):
        folder, remote = _work_dir(run.url.rpartition("/")[0], work_dir) / run.name, run
        fetch(remote, folder, say)
        return folder, remote
    _refuse_work_dir(work_dir)
    folder = whole_path(run)
    known = known_remote(folder)
    if known is not None:
        fetch(known, folder, say)
    return folder, known


def _work_dir(url: str, work_dir: Path | None) -> Path:
    """Return the folder of the working folders of a URL's runs."""
    if work_dir is not None:
        return whole_path(work_dir)
    return cache_dir() / FOLDER_NAME / hashlib.sha256(url.encode()).hexdigest()[:HASH_DIGITS]


def _refuse_work_dir(work_dir: Path | None) -> None:
    if work_dir is not None:
        raise ValueError(f"--work-dir is {str(work_dir)!r}; allowed: with a URL")
